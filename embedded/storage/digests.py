"""The time that Storage's file backend takes for the MD5 of an object, if that is asked for.

It reads the whole object for each ranged read, and at the end of a resumable upload, before it
answers (unless ``STORAGE_FILE_ETAG_ALGORITHM=mtime``).
"""

import asyncio
from typing import Final

from aiohttp import web

_AT_ONCE: Final = 2
"""Digests that are computed at a time, as on a machine with two cores."""
_BYTES_PER_GB: Final = 1e9


class Digests:
    """Waits as long as the digest of an object would take; computes none."""

    def __init__(self, seconds_per_gb: float) -> None:
        self._seconds_per_byte = seconds_per_gb / _BYTES_PER_GB
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def take(self, size: int) -> None:
        """Wait for the digest of so many bytes, after those that wait already."""
        if self._seconds_per_byte:
            async with self._free:
                await asyncio.sleep(size * self._seconds_per_byte)


DIGESTS = web.AppKey("digests", Digests)
