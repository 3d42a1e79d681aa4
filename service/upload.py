"""One object on its way into Storage: bytes in as they come, a whole object or nothing out.

Up to 6 MiB it is one standard upload. Above, it is a resumable one in chunks of exactly 6 MiB, of
which one travels while the next one fills; what was lost on the way is sent again from where
Storage says it is.
"""

import asyncio
from typing import Final

from config.retrying import retrying_async
from config.upstream import STORAGE, translated
from service.storage import Conflict, Storage

CHUNK_BYTES: Final = 6 * 1024 * 1024
"""Storage's own chunk size: all but the last must have it."""


class Upload:
    """The upload of one object.

    ``write`` and ``finish`` raise UpstreamError once Storage was away for ``deadline`` seconds.
    After any error call ``undo``.
    """

    def __init__(self, storage: Storage, name: str, content_type: str, *, deadline: float) -> None:
        self._storage = storage
        self._name = name
        self._content_type = content_type
        self._deadline = deadline
        self._filling = bytearray()
        self._sent = 0
        self._path: str | None = None
        self._travelling: asyncio.Task[None] | None = None
        self._whole = False
        self._tried_to_put = False

    async def write(self, data: bytes) -> None:
        """Take the object's next bytes; waits while two chunks are full."""
        if self._travelling is not None and self._travelling.done():
            await self._travelling
        rest = memoryview(data)
        while rest:
            if len(self._filling) == CHUNK_BYTES:
                await self._dispatch(length=None)
            room = CHUNK_BYTES - len(self._filling)
            self._filling += rest[:room]
            rest = rest[room:]

    async def finish(self) -> None:
        """Send the last bytes; on return the object is there."""
        if self._sent == 0:
            await self._put(bytes(self._filling))
        else:
            await self._dispatch(length=self._sent + len(self._filling))
            await self._arrived()
        self._whole = True

    async def undo(self, seconds: float) -> None:
        """Leave nothing behind, at whatever point the upload is.

        Raises UpstreamError if that cannot be done in so many seconds.
        """
        if self._travelling is not None:
            self._travelling.cancel()
            await asyncio.gather(self._travelling, return_exceptions=True)
        with translated(STORAGE):
            async with asyncio.timeout(seconds):
                async for attempt in retrying_async(seconds):
                    with attempt:
                        await self._remove()

    async def _remove(self) -> None:
        if self._path is not None and not self._whole:
            await self._storage.cancel_upload(self._path)
        if self._tried_to_put or self._path is not None:
            await self._storage.remove(self._name)

    async def _put(self, content: bytes) -> None:
        async for attempt in retrying_async(self._deadline):
            with attempt:
                try:
                    await self._storage.put(self._name, content, self._content_type)
                except Conflict:
                    # The name is ours alone: an answer got lost, not the object.
                    if not self._tried_to_put:
                        raise
                finally:
                    self._tried_to_put = True

    async def _dispatch(self, *, length: int | None) -> None:
        await self._arrived()
        chunk, self._filling = self._filling, bytearray()
        start, self._sent = self._sent, self._sent + len(chunk)
        self._travelling = asyncio.create_task(self._deliver(chunk, start, length))

    async def _arrived(self) -> None:
        if self._travelling is not None:
            await self._travelling

    async def _deliver(self, chunk: bytearray, start: int, length: int | None) -> None:
        first = True
        async for attempt in retrying_async(self._deadline):
            with attempt:
                if self._path is None:
                    self._path = await self._storage.create_upload(self._name, self._content_type)
                if first:
                    first = False
                    await self._storage.append(self._path, start, memoryview(chunk), length=length)
                else:
                    await self._resume(self._path, chunk, start, length)

    async def _resume(self, path: str, chunk: bytearray, start: int, length: int | None) -> None:
        progress = await self._storage.progress(path)
        end = start + len(chunk)
        if progress.offset == end and (length is None or progress.length_known):
            return
        rest = memoryview(chunk)[progress.offset - start :]
        untold = None if progress.length_known else length
        await self._storage.append(path, progress.offset, rest, length=untold)
