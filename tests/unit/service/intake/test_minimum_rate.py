"""Who pauses is waited for, who drips is not, and only the client's own time counts."""

import asyncio
from dataclasses import dataclass
from typing import cast

import pytest
from aiohttp import StreamReader

from service.intake.minimum_rate import LEAST_RATE, MinimumRate
from service.problems import ProblemError

FOR_EVER = 3600.0


@dataclass
class Body:
    """Counts the bytes that have come, as a StreamReader does."""

    total_bytes: int = 0

    async def come(self, size: int, after: float) -> int:
        await asyncio.sleep(after)
        self.total_bytes += size
        return size


def pace_of(body: Body, patience: float) -> MinimumRate:
    return MinimumRate(cast("StreamReader", body), patience)


async def test_silence_ends_the_patience():
    body = Body()
    with pytest.raises(ProblemError) as caught:
        await pace_of(body, 0.02).wait(body.come(1, after=FOR_EVER))
    assert (caught.value.code, caught.value.headers) == (
        "client_too_slow",
        {"Connection": "close"},
    )


async def test_a_drip_ends_the_patience_though_no_pause_is_long():
    body = Body()
    pace = pace_of(body, 0.05)

    async def drip() -> None:
        for _ in range(1000):
            await pace.wait(body.come(1, after=0.01))

    with pytest.raises(ProblemError):
        await drip()
    assert body.total_bytes < 1000


async def test_a_slow_client_is_waited_for_longer_than_one_patience():
    body = Body()
    pace = pace_of(body, 0.5)
    for _ in range(15):
        await pace.wait(body.come(LEAST_RATE, after=0.05))
    assert body.total_bytes == 15 * LEAST_RATE


async def test_no_burst_buys_more_than_the_whole_patience():
    body = Body()
    pace = pace_of(body, 0.02)
    await pace.wait(body.come(1_000_000 * LEAST_RATE, after=0))
    with pytest.raises(ProblemError):
        await pace.wait(body.come(1, after=FOR_EVER))


async def test_time_in_which_nobody_waits_does_not_count():
    body = Body()
    pace = pace_of(body, 0.05)
    await asyncio.sleep(0.1)
    assert await pace.wait(body.come(1, after=0)) == 1
