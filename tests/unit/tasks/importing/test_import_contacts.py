import pytest

from core.errors import PermanentError, TransientError
from tasks.errors import RetryLaterError
from tasks.importing.import_contacts import ImportContacts
from tests.unit.tasks.fakes import IMPORT, FakeRepository


def import_contacts(repository, **more):
    """Returns the parts that were imported in the same message."""
    parts = []

    def import_part(import_id, part, *, ended_attempts):
        parts.append((import_id, part, *ended_attempts))

    ImportContacts(repository, import_part)(IMPORT, **more)
    return parts


@pytest.mark.parametrize("started", [None, ()], ids=["unknown", "without parts"])
def test_an_import_that_is_unknown_or_without_parts_is_no_work(started):
    repository = FakeRepository(started=started)
    assert import_contacts(repository) == []
    assert repository.calls == [("start_import", IMPORT)]


def test_a_single_part_is_imported_in_the_same_message():
    repository = FakeRepository(started=(1,))
    assert import_contacts(repository) == [(IMPORT, 1)]
    assert repository.calls == [("start_import", IMPORT)]
    assert import_contacts(repository, ended_attempts=("an attempt",)) == [
        (IMPORT, 1, "an attempt"),
    ]


def test_several_parts_are_queued():
    repository = FakeRepository(started=(1, 2, 5))
    assert import_contacts(repository) == []
    assert repository.calls[1:] == [("queue_parts", IMPORT, (1, 2, 5))]


@pytest.mark.parametrize("call", ["start_import", "queue_parts"])
@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (TransientError("database", "busy", retry_after=9), 9),
        (PermanentError("database", "no"), None),
    ],
)
def test_the_message_is_retried_if_the_repository_fails(call, error, seconds):
    with pytest.raises(RetryLaterError) as later:
        import_contacts(FakeRepository(started=(1, 2), error=error, failing={call}))
    assert later.value.seconds == seconds
