import pytest

from config.errors import Permanent, Transient
from tasks.errors import PutOff
from tasks.undo_import import MOST, UndoImport
from tasks.writing.bisecting import TooMuch
from tests.unit.tasks.fakes import IMPORT, FakeMetrics


class Scene:
    """An import of so many contacts, and what a statement or Storage can bear."""

    def __init__(self, contacts=0, *, most=MOST, name="object", error=None):
        self.contacts = contacts
        self.most = most
        self.name = name
        self.error = error
        self.calls = []
        self.metrics = FakeMetrics()

    def tell(self):
        UndoImport(self, self, self.metrics)(IMPORT)

    def object_to_undo(self, import_id):
        return self.name

    def undo_some(self, import_id, contacts):
        self.calls.append(contacts)
        if contacts > self.most:
            raise TooMuch
        before, self.contacts = self.contacts, max(0, self.contacts - contacts)
        return before > 0

    def remove(self, names):
        self.calls.append(("remove", *names))
        if self.error:
            raise self.error

    def finish_undo(self, import_id):
        assert self.contacts == 0
        self.calls.append("finish")


@pytest.mark.parametrize("contacts", [0, 1, MOST, MOST + 1])
def test_contacts_go_first_then_the_object_then_it_is_told(contacts):
    scene = Scene(contacts)
    scene.tell()
    steps = -(-contacts // MOST) + 1
    assert scene.calls == [*[MOST] * steps, ("remove", "object"), "finish"]
    assert scene.metrics.seen == ["undone"]


def test_what_is_not_being_undone_is_left_alone():
    scene = Scene(5, name=None)
    scene.tell()
    assert (scene.calls, scene.metrics.seen) == ([], [])


def test_what_takes_too_long_is_done_in_smaller_steps():
    scene = Scene(MOST, most=MOST // 4)
    scene.tell()
    assert scene.calls == [MOST, MOST // 2, *[MOST // 4] * 5, ("remove", "object"), "finish"]


def test_where_not_even_one_contact_can_be_removed_it_goes_on_later():
    scene = Scene(MOST, most=0)
    with pytest.raises(PutOff):
        scene.tell()
    assert scene.calls[-1] == 1


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(Transient("storage", "busy", retry_after=7), 7), (Permanent("storage", "no"), None)],
)
def test_an_object_that_cannot_be_removed_is_not_forgotten(error, seconds):
    scene = Scene(error=error)
    with pytest.raises(PutOff) as put_off:
        scene.tell()
    assert put_off.value.seconds == seconds
    assert "finish" not in scene.calls
    assert scene.metrics.seen == []
