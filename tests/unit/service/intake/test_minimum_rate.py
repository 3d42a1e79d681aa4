"""MinimumRate: pauses are allowed, trickling is not, and only time of waiting counts."""

import asyncio
from dataclasses import dataclass
from typing import cast

import pytest
from aiohttp import StreamReader

from service.intake.minimum_rate import BYTES_PER_SECOND, MinimumRate
from service.problems import ProblemError

FOREVER = 3600.0


@dataclass
class Body:
    """Counts received bytes, as a StreamReader does."""

    total_bytes: int = 0

    async def receive(self, size: int, after: float) -> int:
        await asyncio.sleep(after)
        self.total_bytes += size
        return size


def rate_of(body: Body, idle_seconds: float) -> MinimumRate:
    return MinimumRate(cast("StreamReader", body), idle_seconds)


async def test_minimum_rate_rejects_a_silent_client():
    body = Body()
    with pytest.raises(ProblemError) as caught:
        await rate_of(body, 0.02).wait_for(body.receive(1, after=FOREVER))
    assert (caught.value.code, caught.value.headers) == (
        "client_too_slow",
        {"Connection": "close"},
    )


async def test_minimum_rate_rejects_a_trickle_without_long_pauses():
    body = Body()
    rate = rate_of(body, 0.05)

    async def trickle() -> None:
        for _ in range(1000):
            await rate.wait_for(body.receive(1, after=0.01))

    with pytest.raises(ProblemError):
        await trickle()
    assert body.total_bytes < 1000


async def test_minimum_rate_allows_a_slow_client_any_time():
    body = Body()
    rate = rate_of(body, 0.5)
    for _ in range(15):
        await rate.wait_for(body.receive(BYTES_PER_SECOND, after=0.05))
    assert body.total_bytes == 15 * BYTES_PER_SECOND


async def test_a_burst_does_not_raise_the_budget_above_its_maximum():
    body = Body()
    rate = rate_of(body, 0.02)
    await rate.wait_for(body.receive(1_000_000 * BYTES_PER_SECOND, after=0))
    with pytest.raises(ProblemError):
        await rate.wait_for(body.receive(1, after=FOREVER))


async def test_time_without_waiting_does_not_count():
    body = Body()
    rate = rate_of(body, 0.05)
    await asyncio.sleep(0.1)
    assert await rate.wait_for(body.receive(1, after=0)) == 1
