"""Sharing of the event loop: no upload keeps the others, or new requests, waiting for long."""

import asyncio
import time
from collections import deque
from typing import Final

_SLICE_SECONDS: Final = 0.003
_STEPS_PER_ITERATION: Final = 8


class TimeSlice:
    """Limits how long one task holds the event loop, if it asks often enough."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    async def yield_if_used_up(self) -> None:
        """Let other tasks run if this one has held the event loop for some milliseconds."""
        if time.monotonic() - self._start > _SLICE_SECONDS:
            await asyncio.sleep(0)
            self._start = time.monotonic()


class FairScheduler:
    """Limits how many steps, of a millisecond or less each, run per event-loop iteration.

    The loop polls the network once per iteration, after all tasks that are ready. A step of each of
    fifty uploads in one iteration would delay everything else by fifty steps.
    """

    def __init__(self) -> None:
        self._left = _STEPS_PER_ITERATION
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def next(self) -> None:
        """Wait until the next step may run: at once if few wait, first come, first served."""
        if self._left and not self._waiting:
            self._take()
            return
        step = asyncio.get_running_loop().create_future()
        self._waiting.append(step)
        await step

    def _take(self) -> None:
        if self._left == _STEPS_PER_ITERATION:
            asyncio.get_running_loop().call_soon(self._begin_iteration)
        self._left -= 1

    def _begin_iteration(self) -> None:
        self._left = _STEPS_PER_ITERATION
        while self._waiting and self._left:
            step = self._waiting.popleft()
            if not step.done():  # else it was cancelled
                step.set_result(None)
                self._take()
