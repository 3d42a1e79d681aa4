"""The minimum rate at which a client must send a body: pauses are allowed, trickling is not."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiohttp import StreamReader

from service.problems import ProblemError

T = TypeVar("T")

BYTES_PER_SECOND: Final = 1000
"""Minimum rate on average, while there are places for other uploads."""


class MinimumRate:
    """A budget of waiting time for one client: waiting uses it up, received bytes refill it.

    A client may pause for as long as the whole budget lasts, but one that sends less than the least
    rate is rejected in the end. Time in which nobody waits for the client is free.
    """

    def __init__(
        self,
        content: StreamReader,
        idle_seconds: float,
        least_rate: Callable[[], float] = lambda: BYTES_PER_SECOND,
    ) -> None:
        """``content`` is the body, which counts its bytes; ``idle_seconds`` is the budget.

        ``least_rate`` returns the bytes a second that are required at the moment.
        """
        self._content = content
        self._idle_seconds = idle_seconds
        self._least_rate = least_rate
        self._left = idle_seconds
        self._received = content.total_bytes
        self._begun_at = content.total_bytes
        self._waited = 0.0
        self._waiting: asyncio.Timeout | None = None
        self._since = 0.0

    async def wait_for(self, read: Awaitable[T]) -> T:
        """Return what ``read`` returns.

        Raises ProblemError (``client_too_slow``) when the budget is used up, or after ``cut``.
        """
        self._since = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._left) as self._waiting:
                return await read
        except TimeoutError:
            raise client_too_slow(
                f"Send {self._least_rate():.0f} bytes a second on average, and never nothing for "
                f"{self._idle_seconds:g} seconds."
            ) from None
        finally:
            self._waiting = None
            waited = asyncio.get_running_loop().time() - self._since
            self._waited += waited
            received = self._content.total_bytes - self._received
            self._received = self._content.total_bytes
            refilled = self._left - waited + received / self._least_rate()
            self._left = min(self._idle_seconds, refilled)

    @property
    def is_waiting(self) -> bool:
        """Whether the service waits for the client."""
        return self._waiting is not None

    def waited(self) -> float:
        """Return for how many seconds the service has waited for the client."""
        running = asyncio.get_running_loop().time() - self._since if self.is_waiting else 0.0
        return self._waited + running

    def bytes_per_second(self) -> float:
        """Return how fast the client has sent the body, while the service waited for it."""
        return (self._content.total_bytes - self._begun_at) / max(self.waited(), 0.001)

    def cut(self) -> None:
        """End the waiting at once; nothing happens unless ``is_waiting``."""
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())


def client_too_slow(detail: str) -> ProblemError:
    """Return the problem of a client that takes too long, which closes the connection."""
    return ProblemError("client_too_slow", detail, headers={"Connection": "close"})
