"""The minimum rate at which a client must send a body: pauses are allowed, trickling is not."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from aiohttp import StreamReader

from service.problems import ProblemError

T = TypeVar("T")

BYTES_PER_SECOND: Final = 1000
"""Minimum rate on average."""


class MinimumRate:
    """A budget of waiting time for one client: waiting uses it up, received bytes refill it.

    A client may pause for as long as the whole budget lasts, but one that sends less than
    BYTES_PER_SECOND is rejected in the end. Time in which nobody waits for the client is free.
    """

    def __init__(self, content: StreamReader, idle_seconds: float) -> None:
        """``content`` is the body, which counts its bytes; ``idle_seconds`` is the budget."""
        self._content = content
        self._idle_seconds = idle_seconds
        self._left = idle_seconds
        self._received = content.total_bytes

    async def wait_for(self, read: Awaitable[T]) -> T:
        """Return what ``read`` returns.

        Raises ProblemError (``client_too_slow``) when the budget is used up.
        """
        start = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._left):
                return await read
        except TimeoutError:
            raise client_too_slow(
                f"Send {BYTES_PER_SECOND} bytes a second on average, and never nothing for "
                f"{self._idle_seconds:g} seconds."
            ) from None
        finally:
            waited = asyncio.get_running_loop().time() - start
            received = self._content.total_bytes - self._received
            self._received = self._content.total_bytes
            refilled = self._left - waited + received / BYTES_PER_SECOND
            self._left = min(self._idle_seconds, refilled)


def client_too_slow(detail: str) -> ProblemError:
    """Return the problem of a client that takes too long, which closes the connection."""
    return ProblemError("client_too_slow", detail, headers={"Connection": "close"})
