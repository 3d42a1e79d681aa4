import threading

import pytest

from core.errors import BatchTooLargeError, PermanentError, TransientError
from core.rejection_objects import rejections_folder
from tasks.errors import RetryLaterError, WorkerStoppingError
from tasks.importing.undo_import import MAX_CONTACTS, UndoImport
from tests.unit.tasks.fakes import IMPORT, FakeMetrics

FOLDER = ("remove folder", rejections_folder(IMPORT))


class Scene:
    """An import of so many contacts, and how many a statement can remove."""

    def __init__(
        self, contacts=0, *, limit=MAX_CONTACTS, name="object", error=None, undo_error=None
    ):
        self.contacts = contacts
        self.limit = limit
        self.name = name
        self.error = error
        self.undo_error = undo_error
        self.calls = []
        self.stopping = threading.Event()
        self.metrics = FakeMetrics()

    def run(self):
        UndoImport(self, self, self.metrics, stopping=self.stopping)(IMPORT)

    def object_to_undo(self, import_id):
        return self.name

    def undo_some(self, import_id, max_contacts):
        self.calls.append(max_contacts)
        if max_contacts > self.limit:
            raise BatchTooLargeError
        if self.undo_error:
            raise self.undo_error
        before, self.contacts = self.contacts, max(0, self.contacts - max_contacts)
        return before > 0

    def remove(self, names):
        self.calls.append(("remove", *names))
        if self.error:
            raise self.error

    def remove_folder(self, folder):
        self.calls.append(("remove folder", folder))

    def fail_undo(self, import_id, code, detail):
        self.calls.append(("fail", code, detail))
        self.name = None

    def finish_undo(self, import_id):
        assert self.contacts == 0
        self.calls.append("finish")


@pytest.mark.parametrize("contacts", [0, 1, MAX_CONTACTS, MAX_CONTACTS + 1])
def test_an_undo_removes_contacts_then_objects_and_records_its_end(contacts):
    scene = Scene(contacts)
    scene.run()
    steps = -(-contacts // MAX_CONTACTS) + 1
    assert scene.calls == [*[MAX_CONTACTS] * steps, FOLDER, ("remove", "object"), "finish"]
    assert scene.metrics.seen == ["undone"]


def test_an_import_that_is_not_being_undone_is_left_alone():
    scene = Scene(5, name=None)
    scene.run()
    assert (scene.calls, scene.metrics.seen) == ([], [])


def test_steps_get_smaller_if_they_take_too_long():
    scene = Scene(MAX_CONTACTS, limit=MAX_CONTACTS // 4)
    scene.run()
    assert scene.calls == [
        MAX_CONTACTS,
        MAX_CONTACTS // 2,
        *[MAX_CONTACTS // 4] * 5,
        FOLDER,
        ("remove", "object"),
        "finish",
    ]


def test_an_undo_is_retried_if_one_contact_takes_too_long():
    scene = Scene(MAX_CONTACTS, limit=0)
    with pytest.raises(RetryLaterError):
        scene.run()
    assert scene.calls[-1] == 1


def test_an_undo_is_retried_if_storage_is_unavailable():
    scene = Scene(error=TransientError("storage", "busy", retry_after=7))
    with pytest.raises(RetryLaterError) as later:
        scene.run()
    assert later.value.seconds == 7
    assert "finish" not in scene.calls
    assert scene.metrics.seen == []


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        (
            {"undo_error": PermanentError("database", "secret row", code="23503")},
            "refer to contacts",
        ),
        ({"undo_error": PermanentError("database", "secret row", code="P0001")}, "SQLSTATE P0001"),
        ({"error": PermanentError("storage", "secret key", code="AccessDenied")}, "AccessDenied"),
    ],
)
def test_an_undo_that_is_refused_fails_with_a_reason(errors, words):
    scene = Scene(5, **errors)
    scene.run()
    name, code, detail = scene.calls[-1]
    assert (name, code) == ("fail", "undo_refused")
    assert words in detail
    assert "secret" not in detail
    assert scene.metrics.seen == ["undo failed"]


def test_an_undo_is_retried_if_its_failure_cannot_be_recorded():
    scene = Scene(5, undo_error=PermanentError("database", "no", code="42501"))

    def fail(*_):
        raise PermanentError("database", "no", code="PGRST301")

    scene.fail_undo = fail
    with pytest.raises(RetryLaterError):
        scene.run()
    assert scene.metrics.seen == []


def test_an_undo_that_another_worker_has_finished_removes_no_object():
    scene = Scene(0)
    undo_some = scene.undo_some

    def ended(import_id, max_contacts):
        scene.name = None
        return undo_some(import_id, max_contacts)

    scene.undo_some = ended
    scene.run()
    assert scene.calls == [MAX_CONTACTS]


def test_a_stopping_worker_interrupts_an_undo():
    scene = Scene(5)
    scene.stopping.set()
    with pytest.raises(WorkerStoppingError):
        scene.run()
    assert scene.calls == []
