"""What may have been recorded is taken back as soon as the database tells."""

from collections import deque
from uuid import UUID, uuid4

import pytest

from core.errors import UpstreamError
from service.intake import rollback as undecided
from service.intake.rollback import PendingRollbacks
from tests.unit.service.fakes import away, refused


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(undecided, "_PAUSE_SECONDS", 0)


class Repository:
    """Answers with what is next in line, and with False in the end."""

    def __init__(self, *answers: bool | UpstreamError) -> None:
        self.asked: list[UUID] = []
        self._answers = deque(answers)

    async def discard_import(self, import_id: UUID, seconds: float) -> bool:
        self.asked.append(import_id)
        answer = self._answers.popleft() if self._answers else False
        if isinstance(answer, UpstreamError):
            raise answer
        return answer


class Stored:
    """An object that notes whether it was removed."""

    def __init__(self, error: UpstreamError | None = None) -> None:
        self.undone = 0
        self._error = error

    async def undo(self, seconds: float) -> None:
        self.undone += 1
        if self._error is not None:
            raise self._error


async def test_the_object_goes_once_the_import_is_known_to_be_gone():
    repository, stored = Repository(away("database"), away("database"), False), Stored()
    taken = PendingRollbacks(repository, seconds=10)
    taken.add(first := uuid4(), stored)
    await taken.close(10)
    assert repository.asked == [first] * 3
    assert stored.undone == 1


async def test_an_import_that_a_worker_has_begun_keeps_its_object():
    stored = Stored()
    taken = PendingRollbacks(Repository(True), seconds=10)
    taken.add(uuid4(), stored)
    await taken.close(10)
    assert stored.undone == 0


async def test_what_cannot_be_done_is_no_reason_to_stop():
    repository = Repository(refused("database"), False, False)
    objects = [Stored(), Stored(away()), Stored()]
    taken = PendingRollbacks(repository, seconds=10)
    for stored in objects:
        taken.add(uuid4(), stored)
    await taken.close(10)
    assert [stored.undone for stored in objects] == [0, 1, 1]


async def test_work_that_ended_begins_again():
    taken = PendingRollbacks(Repository(), seconds=10)
    for stored in (Stored(), Stored()):
        taken.add(uuid4(), stored)
        await taken.close(10)
        assert stored.undone == 1


async def test_the_end_does_not_wait_for_a_database_that_stays_away():
    repository, stored = Repository(*[away("database")] * 10_000), Stored()
    taken = PendingRollbacks(repository, seconds=10)
    taken.add(uuid4(), stored)
    await taken.close(0.01)
    assert repository.asked
    assert stored.undone == 0


async def test_only_so_many_wait(monkeypatch):
    monkeypatch.setattr(undecided, "_MOST", 2)
    repository, objects = Repository(), [Stored() for _ in range(3)]
    taken = PendingRollbacks(repository, seconds=10)
    for stored in objects:
        taken.add(uuid4(), stored)
    await taken.close(10)
    assert [stored.undone for stored in objects] == [1, 1, 0]
