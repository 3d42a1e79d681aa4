"""How fast a client must send a body: never nothing for long, and never a mere drip."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from aiohttp import StreamReader

from service.problems import ProblemError

T = TypeVar("T")

LEAST_RATE: Final = 1000
"""Bytes a second, on average."""


class MinimumRate:
    """Patience with one client, in seconds: waiting uses it up, bytes that come restore it.

    So a client may pause for as long as the whole patience, but one that sends less than
    LEAST_RATE is refused in the end. Time in which nobody waits for it does not count.
    """

    def __init__(self, content: StreamReader, patience: float) -> None:
        """``content`` is the request's body, which counts its bytes."""
        self._content = content
        self._most = patience
        self._left = patience
        self._seen = content.total_bytes

    async def wait(self, reading: Awaitable[T]) -> T:
        """The next bytes; raises ProblemError (``client_too_slow``) when patience is at its end."""
        start = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._left):
                return await reading
        except TimeoutError:
            raise too_slow(
                f"Send {LEAST_RATE} bytes a second on average, and never nothing for "
                f"{self._most:g} seconds."
            ) from None
        finally:
            self._count(asyncio.get_running_loop().time() - start)

    def _count(self, waited: float) -> None:
        came, self._seen = self._content.total_bytes - self._seen, self._content.total_bytes
        self._left = min(self._most, self._left - waited + came / LEAST_RATE)


def too_slow(detail: str) -> ProblemError:
    """The refusal of a client that cannot be waited for any longer."""
    return ProblemError("client_too_slow", detail, headers={"Connection": "close"})
