import pytest

from core.errors import PermanentError, TransientError
from tasks.errors import RetryLaterError
from tasks.importing.import_contacts import ImportContacts
from tests.unit.tasks.fakes import IMPORT, FakeRepository


def tell(repository, **more):
    done_here = []

    def import_part(import_id, part, *, ended):
        done_here.append((import_id, part, *ended))

    ImportContacts(repository, import_part)(IMPORT, **more)
    return done_here


def test_an_unknown_import_is_no_work():
    repository = FakeRepository(started=None)
    assert tell(repository) == []
    assert repository.calls == [("start_import", IMPORT)]


def test_an_import_of_nothing_is_no_work():
    repository = FakeRepository(started=())
    assert tell(repository) == []
    assert repository.calls == [("start_import", IMPORT)]


def test_a_single_part_is_done_in_the_same_message():
    repository = FakeRepository(started=(1,))
    assert tell(repository) == [(IMPORT, 1)]
    assert repository.calls == [("start_import", IMPORT)]
    assert tell(repository, ended=("an attempt",)) == [(IMPORT, 1, "an attempt")]


def test_several_parts_are_queued():
    repository = FakeRepository(started=(1, 2, 5))
    assert tell(repository) == []
    assert repository.calls[1:] == [("queue_parts", IMPORT, (1, 2, 5))]


@pytest.mark.parametrize("call", ["start_import", "queue_parts"])
@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (TransientError("database", "busy", retry_after=9), 9),
        (PermanentError("database", "no"), None),
    ],
)
def test_without_the_ledger_the_message_comes_again(call, error, seconds):
    with pytest.raises(RetryLaterError) as put_off:
        tell(FakeRepository(started=(1, 2), error=error, failing={call}))
    assert put_off.value.seconds == seconds
