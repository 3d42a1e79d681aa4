"""Taking turns: work that could go on for long lets others have the event loop."""

import asyncio
import time
from collections import deque
from typing import Final

_TURN_SECONDS: Final = 0.003
_A_ROUND: Final = 8


class Turn:
    """One piece of work's hold on the event loop."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    async def share(self) -> None:
        """Let others have the event loop if it was held for some milliseconds."""
        if time.monotonic() - self._since > _TURN_SECONDS:
            await asyncio.sleep(0)
            self._since = time.monotonic()


class Turns:
    """What many do a little of at a time, each for a millisecond or less.

    The loop asks the network anew after each round of those who are ready. All of fifty uploads in
    one round would keep everybody else waiting for fifty of these steps, so only a few are let go.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._going = False

    async def next(self) -> None:
        """Wait for the next turn; first come, first served."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if not self._going:
            self._go()
        await turn

    def _go(self) -> None:
        self._going = True
        asyncio.get_running_loop().call_soon(self._round)

    def _round(self) -> None:
        left = _A_ROUND
        while self._waiting and left:
            turn = self._waiting.popleft()
            if not turn.done():  # else cancelled
                turn.set_result(None)
                left -= 1
        self._going = False
        if self._waiting:
            self._go()
