import threading

import pytest

from core.errors import BatchTooLargeError, PermanentError, TransientError
from core.rejection_objects import rejections_folder
from tasks.errors import RetryLaterError, WorkerStoppingError
from tasks.importing.undo_import import MOST, UndoImport
from tests.unit.tasks.fakes import IMPORT, FakeMetrics

FOLDER = ("remove folder", rejections_folder(IMPORT))


class Scene:
    """An import of so many contacts, and what a statement or Storage can bear."""

    def __init__(self, contacts=0, *, most=MOST, name="object", error=None, refusal=None):
        self.contacts = contacts
        self.most = most
        self.name = name
        self.error = error
        self.refusal = refusal
        self.calls = []
        self.stopping = threading.Event()
        self.metrics = FakeMetrics()

    def tell(self):
        UndoImport(self, self, self.metrics, stopping=self.stopping)(IMPORT)

    def object_to_undo(self, import_id):
        return self.name

    def undo_some(self, import_id, contacts):
        self.calls.append(contacts)
        if contacts > self.most:
            raise BatchTooLargeError
        if self.refusal:
            raise self.refusal
        before, self.contacts = self.contacts, max(0, self.contacts - contacts)
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


@pytest.mark.parametrize("contacts", [0, 1, MOST, MOST + 1])
def test_contacts_go_first_then_the_object_then_it_is_told(contacts):
    scene = Scene(contacts)
    scene.tell()
    steps = -(-contacts // MOST) + 1
    assert scene.calls == [*[MOST] * steps, FOLDER, ("remove", "object"), "finish"]
    assert scene.metrics.seen == ["undone"]


def test_what_is_not_being_undone_is_left_alone():
    scene = Scene(5, name=None)
    scene.tell()
    assert (scene.calls, scene.metrics.seen) == ([], [])


def test_what_takes_too_long_is_done_in_smaller_steps():
    scene = Scene(MOST, most=MOST // 4)
    scene.tell()
    assert scene.calls == [
        MOST,
        MOST // 2,
        *[MOST // 4] * 5,
        FOLDER,
        ("remove", "object"),
        "finish",
    ]


def test_where_not_even_one_contact_can_be_removed_it_goes_on_later():
    scene = Scene(MOST, most=0)
    with pytest.raises(RetryLaterError):
        scene.tell()
    assert scene.calls[-1] == 1


def test_an_object_that_cannot_be_removed_now_is_removed_later():
    scene = Scene(error=TransientError("storage", "busy", retry_after=7))
    with pytest.raises(RetryLaterError) as put_off:
        scene.tell()
    assert put_off.value.seconds == 7
    assert "finish" not in scene.calls
    assert scene.metrics.seen == []


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ({"refusal": PermanentError("database", "secret row", code="23503")}, "refer to contacts"),
        ({"refusal": PermanentError("database", "secret row", code="P0001")}, "SQLSTATE P0001"),
        ({"error": PermanentError("storage", "secret key", code="AccessDenied")}, "AccessDenied"),
    ],
)
def test_an_undo_that_is_refused_ends_with_a_reason(trouble, words):
    scene = Scene(5, **trouble)
    scene.tell()
    name, code, detail = scene.calls[-1]
    assert (name, code) == ("fail", "undo_refused")
    assert words in detail
    assert "secret" not in detail
    assert scene.metrics.seen == ["undo failed"]


def test_a_refusal_that_cannot_be_recorded_comes_again():
    scene = Scene(5, refusal=PermanentError("database", "no", code="42501"))

    def fail(*_):
        raise PermanentError("database", "no", code="PGRST301")

    scene.fail_undo = fail
    with pytest.raises(RetryLaterError):
        scene.tell()
    assert scene.metrics.seen == []


def test_an_undo_that_another_has_ended_removes_no_object():
    scene = Scene(0)
    undo_some = scene.undo_some

    def ended(import_id, contacts):
        scene.name = None
        return undo_some(import_id, contacts)

    scene.undo_some = ended
    scene.tell()
    assert scene.calls == [MOST]


def test_a_stopping_worker_leaves_the_rest_to_others():
    scene = Scene(5)
    scene.stopping.set()
    with pytest.raises(WorkerStoppingError):
        scene.tell()
    assert scene.calls == []
