"""UploadPlaces: who is let in, and whose upload is ended for it."""

import asyncio
from dataclasses import dataclass, field
from typing import cast

import pytest

from service.intake.minimum_rate import BYTES_PER_SECOND, MinimumRate
from service.intake.places import UploadPlaces
from service.problems import ProblemError


@dataclass
class Rate:
    """How a body arrives, as MinimumRate shows it."""

    speed: float = 0.0
    seconds: float = 10.0
    is_waiting: bool = True
    cuts: list[bool] = field(default_factory=list)

    def bytes_per_second(self) -> float:
        return self.speed

    def waited(self) -> float:
        return self.seconds

    def cut(self) -> None:
        self.cuts.append(True)


class Crowd:
    """Uploads, each in a task of its own."""

    def __init__(self, size: int, per_client: int | None = None) -> None:
        self.places = UploadPlaces(size, per_client)
        self._tasks: set[asyncio.Task[None]] = set()

    async def come(self, client: str, rate: Rate | None = None) -> "asyncio.Task[None]":
        """Begin an upload; raises what ``take`` raises."""
        taken = asyncio.Event()

        async def upload() -> None:
            self.places.take(client, cast("MinimumRate", rate or Rate()))
            taken.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(upload())
        self._tasks.add(task)
        wait = asyncio.create_task(taken.wait())
        await asyncio.wait([task, wait], return_when=asyncio.FIRST_COMPLETED)
        wait.cancel()
        if task.done():
            await task
        return task

    async def go(self, task: "asyncio.Task[None]") -> None:
        task.cancel()
        await asyncio.wait([task])


def too_many(caught: pytest.ExceptionInfo[ProblemError]) -> bool:
    return caught.value.code == "too_many_uploads"


async def test_a_place_is_free_again_when_its_upload_has_ended():
    crowd = Crowd(1)
    fast = Rate(speed=1e6)
    task = await crowd.come("a", fast)
    with pytest.raises(ProblemError) as caught:
        await crowd.come("b")
    assert too_many(caught)
    await crowd.go(task)
    await crowd.come("b")
    assert fast.cuts == []


async def test_the_slowest_upload_of_the_greatest_client_is_ended():
    crowd = Crowd(5)
    rates = [Rate(3), Rate(2), Rate(9), Rate(1), Rate(1e6)]
    for client, rate in zip("aabbb", rates, strict=True):
        await crowd.come(client, rate)
    await crowd.come("c", Rate(1e6))
    assert [len(rate.cuts) for rate in rates] == [0, 0, 0, 1, 0]
    await crowd.come("c", Rate(1e6))  # a has two, b has two that are not slow, or slower
    assert [len(rate.cuts) for rate in rates] == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    "rate", [Rate(speed=30_000), Rate(is_waiting=False), Rate(seconds=1.0)], ids=str
)
async def test_only_slow_uploads_that_are_waited_for_are_ended(rate):
    crowd = Crowd(1)
    await crowd.come("a", rate)
    with pytest.raises(ProblemError) as caught:
        await crowd.come("b")
    assert too_many(caught)
    with pytest.raises(ProblemError):
        crowd.places.check("b")


async def test_who_has_many_places_loses_one_at_once():
    crowd = Crowd(3)
    rates = [Rate(seconds=0.5) for _ in range(3)]
    for rate in rates:
        await crowd.come("a", rate)
    with pytest.raises(ProblemError):
        await crowd.come("a")
    await crowd.come("b")
    assert sum(len(rate.cuts) for rate in rates) == 1


async def test_a_client_has_no_more_than_its_share():
    crowd = Crowd(10, per_client=2)
    await crowd.come("a", Rate(speed=1e6))
    await crowd.come("a", Rate(speed=1e6))
    with pytest.raises(ProblemError) as caught:
        await crowd.come("a")
    assert too_many(caught)
    await crowd.come("b")


@pytest.mark.parametrize(("places", "share"), [(2, None), (10, 2)])
async def test_a_client_that_has_its_share_loses_its_own_slowest_upload(places, share):
    """Clients behind one address are one client: its drips must not keep the others out."""
    crowd = Crowd(places, share)
    rates = [Rate(speed=2), Rate(speed=1)]
    for rate in rates:
        await crowd.come("a", rate)
    for _ in range(2):
        await crowd.go(await crowd.come("a", Rate(speed=1e6)))
        await crowd.come("a", Rate(speed=1e6))
    assert [len(rate.cuts) for rate in rates] == [1, 1]


async def test_the_least_rate_rises_with_the_places_that_are_taken():
    crowd = Crowd(4)
    rates = [crowd.places.least_rate()]
    for _ in range(4):
        await crowd.come("a")
        rates.append(crowd.places.least_rate())
    assert [rate / BYTES_PER_SECOND for rate in rates] == [1, 1, 1, 5.5, 10]
