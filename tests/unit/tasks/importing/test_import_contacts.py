import pytest

from core.errors import PermanentError, TransientError
from tasks.errors import RetryLaterError
from tasks.importing.import_contacts import ImportContacts
from tests.unit.tasks.fakes import IMPORT, FakeRepository


@pytest.mark.parametrize("started", [None, ()], ids=["unknown", "without parts"])
def test_an_import_that_is_unknown_or_without_parts_is_no_work(started):
    repository = FakeRepository(started=started)
    ImportContacts(repository)(IMPORT)
    assert repository.calls == [("start_import", IMPORT)]


@pytest.mark.parametrize("parts", [(1,), (1, 2, 5)])
def test_messages_are_queued_for_the_waiting_parts(parts):
    repository = FakeRepository(started=parts)
    ImportContacts(repository)(IMPORT)
    assert repository.calls[1:] == [("queue_parts", IMPORT, parts)]


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
        ImportContacts(FakeRepository(started=(1, 2), error=error, failing={call}))(IMPORT)
    assert later.value.seconds == seconds
