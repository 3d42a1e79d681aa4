"""Taking turns: work that could go on for long lets others have the event loop."""

import asyncio
import time
from collections import deque
from typing import Final

_TURN_SECONDS: Final = 0.003
_A_ROUND: Final = 8


class TimeSlice:
    """One piece of work's hold on the event loop."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def share(self) -> None:
        """Let others have the event loop if it was held for some milliseconds."""
        if time.monotonic() - self._since > _TURN_SECONDS:
            await asyncio.sleep(0)
            self._since = time.monotonic()


class FairScheduler:
    """What many do a little of at a time, each for a millisecond or less.

    The loop asks the network anew after each round of those who are ready. All of fifty uploads in
    one round would keep everybody else waiting for fifty of these steps, so only a few are let go.
    """

    def __init__(self) -> None:
        self._left = _A_ROUND
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def next(self) -> None:
        """Wait for the next turn unless few want one; first come, first served."""
        if self._left and not self._waiting:
            self._take()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _take(self) -> None:
        if self._left == _A_ROUND:
            asyncio.get_running_loop().call_soon(self._begin_round)
        self._left -= 1

    def _begin_round(self) -> None:
        self._left = _A_ROUND
        while self._waiting and self._left:
            turn = self._waiting.popleft()
            if not turn.done():  # else cancelled
                turn.set_result(None)
                self._take()
