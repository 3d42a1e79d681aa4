"""PendingRollbacks: imports that may be recorded are discarded once the database answers."""

from collections import deque
from uuid import UUID, uuid4

import pytest

from core.errors import UpstreamError
from service.intake import rollback
from service.intake.rollback import PendingRollbacks
from tests.unit.service.fakes import away, refused


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollback, "_PAUSE_SECONDS", 0)


class Repository:
    """Returns or raises the next of its answers, and False after them."""

    def __init__(self, *answers: bool | UpstreamError) -> None:
        self.discarded: list[UUID] = []
        self._answers = deque(answers)

    async def discard_import(self, import_id: UUID, seconds: float) -> bool:
        self.discarded.append(import_id)
        answer = self._answers.popleft() if self._answers else False
        if isinstance(answer, UpstreamError):
            raise answer
        return answer


class FakeUpload:
    """An upload that counts its rollbacks."""

    def __init__(self, error: UpstreamError | None = None) -> None:
        self.rollbacks = 0
        self._error = error

    async def rollback(self, seconds: float) -> None:
        self.rollbacks += 1
        if self._error is not None:
            raise self._error


async def test_the_object_is_removed_after_the_import_is_discarded():
    repository, upload = Repository(away("database"), away("database"), False), FakeUpload()
    pending = PendingRollbacks(repository, seconds=10)
    pending.add(first := uuid4(), upload)
    await pending.close(10)
    assert repository.discarded == [first] * 3
    assert upload.rollbacks == 1


async def test_an_import_that_a_worker_has_begun_keeps_its_object():
    upload = FakeUpload()
    pending = PendingRollbacks(Repository(True), seconds=10)
    pending.add(uuid4(), upload)
    await pending.close(10)
    assert upload.rollbacks == 0


async def test_a_failed_rollback_does_not_stop_the_others():
    repository = Repository(refused("database"), False, False)
    uploads = [FakeUpload(), FakeUpload(away()), FakeUpload()]
    pending = PendingRollbacks(repository, seconds=10)
    for upload in uploads:
        pending.add(uuid4(), upload)
    await pending.close(10)
    assert [upload.rollbacks for upload in uploads] == [0, 1, 1]


async def test_pending_rollbacks_run_again_after_the_queue_was_empty():
    pending = PendingRollbacks(Repository(), seconds=10)
    for upload in (FakeUpload(), FakeUpload()):
        pending.add(uuid4(), upload)
        await pending.close(10)
        assert upload.rollbacks == 1


async def test_close_does_not_wait_for_an_unavailable_database():
    repository, upload = Repository(*[away("database")] * 10_000), FakeUpload()
    pending = PendingRollbacks(repository, seconds=10)
    pending.add(uuid4(), upload)
    await pending.close(0.01)
    assert repository.discarded
    assert upload.rollbacks == 0


async def test_the_number_of_pending_rollbacks_is_limited(monkeypatch):
    monkeypatch.setattr(rollback, "_MAX_PENDING", 2)
    repository, uploads = Repository(), [FakeUpload() for _ in range(3)]
    pending = PendingRollbacks(repository, seconds=10)
    for upload in uploads:
        pending.add(uuid4(), upload)
    await pending.close(10)
    assert [upload.rollbacks for upload in uploads] == [1, 1, 0]
