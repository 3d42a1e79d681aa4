"""What an erasure does when something fails; tests/contract/test_erasures.py has the rest."""

import threading
from types import SimpleNamespace
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from core.errors import BatchTooLargeError, PermanentError, TransientError
from tasks.erasures.erase_address import MAX_CONTACTS, EraseAddress
from tasks.erasures.repository import FoundObject
from tasks.errors import RetryLaterError, WorkerStoppingError
from tests.unit.tasks.fakes import FakeMetrics

ERASURE = uuid4()
EMAIL = "ada@example.com"


class FakeRepository:
    """Has contacts to search until one batch was; ``errors`` are raised by the first batches."""

    def __init__(self, *errors, objects=(), address=EMAIL, in_use=True):
        self.errors = list(errors)
        self.objects = list(objects)
        self.address_found = address
        self.in_use = in_use
        self.batches = []
        self.ends = []

    def address(self, erasure_id):
        return self.address_found

    def erase_contacts(self, erasure_id, max_contacts):
        self.batches.append(max_contacts)
        if self.errors:
            raise self.errors.pop(0)
        return False

    def next_rejections(self, erasure_id):
        return None

    def next_objects(self, erasure_id):
        found, self.objects = self.objects, []
        return found

    def note_searched_object(self, erasure_id, place, erased):
        self.ends.append(("searched", place, erased))
        return self.in_use

    def expire_objects(self, erasure_id):
        self.ends.append("expired")

    def finish(self, erasure_id):
        self.ends.append("finished")

    def fail(self, erasure_id, code, detail):
        self.ends.append((code, detail))


class FakeStorage:
    def __init__(self, content):
        self.content = content
        self.removed = []

    def get(self, name):
        return self.content

    def remove(self, names):
        self.removed += names


def erase(repository, *, storage=None, stopping=False):
    stop, metrics = threading.Event(), FakeMetrics()
    if stopping:
        stop.set()
    retention = SimpleNamespace(remove_objects=lambda: 0)
    EraseAddress(repository, storage, retention, metrics, stopping=stop)(ERASURE)
    return metrics.seen


def test_a_batch_that_takes_too_long_is_halved():
    repository = FakeRepository(BatchTooLargeError(), BatchTooLargeError())
    assert erase(repository) == [("erasure", "done")]
    assert repository.batches == [MAX_CONTACTS, MAX_CONTACTS // 2, MAX_CONTACTS // 4]
    assert repository.ends == ["expired", "finished"]


def test_an_erasure_continues_later_if_supabase_is_away():
    repository = FakeRepository(TransientError("database", "away", retry_after=7))
    with pytest.raises(RetryLaterError) as caught:
        erase(repository)
    assert (caught.value.seconds, repository.ends) == (7, [])


def test_a_worker_that_stops_hands_an_erasure_back():
    with pytest.raises(WorkerStoppingError):
        erase(FakeRepository(), stopping=True)


def test_an_erasure_that_has_ended_does_nothing():
    repository = FakeRepository(address=None)
    assert (erase(repository), repository.batches) == ([], [])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermanentError("database", f"Key ({EMAIL})", code="23503"), "Other rows"),
        (PermanentError("database", EMAIL, code="42501"), "42501"),
        (PermanentError("storage", EMAIL, code="AccessDenied"), "AccessDenied"),
    ],
)
def test_a_failure_is_recorded_and_logged_without_the_words_of_the_database(error, said):
    repository = FakeRepository(error)
    with capture_logs() as logs:
        assert erase(repository) == [("erasure", "failed")]
    [(code, detail)] = repository.ends
    assert (code, said in detail) == ("erasure_refused", True)
    assert EMAIL not in f"{detail} {logs}"


def test_an_object_that_is_gone_has_nothing_and_a_damaged_one_ends_the_erasure():
    place = [str(ERASURE), 1]
    repository = FakeRepository(objects=[FoundObject(place, "x")])
    assert erase(repository, storage=FakeStorage(None)) == [("erasure", "done")]
    assert repository.ends[0] == ("searched", place, 0)
    repository = FakeRepository(objects=[FoundObject(place, "x")])
    assert erase(repository, storage=FakeStorage(b"no zstd")) == [("erasure", "failed")]
