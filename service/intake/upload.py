"""One object on its way into Storage: bytes in as they come, a whole object or nothing out.

Up to 6 MiB it is one standard upload. Above, it is a resumable one in chunks of exactly 6 MiB, of
which one travels while the next one fills; what was lost on the way is sent again from where
Storage says it is.

After a lost answer, what Storage has is compared with what was sent before it counts as stored: a
small object byte for byte, a large one by its length. If they differ, the upload fails; the client
sends it again, under a new name. Nothing is overwritten, since the object may be another's.
``undo`` removes only what a try of this upload may have left; an object that was there before the
first try stays, and the sweep removes it if no import owns it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from core.errors import PermanentError, StorageConflictError, TransientError, UpstreamError
from core.supabase.errors import STORAGE, translate_errors
from core.supabase.retry import retrying_async
from core.supabase.storage_api import NAME_TAKEN, Progress
from core.supabase.storage_async import AsyncStorageClient
from service.intake.buffers import BufferBudget, Chunk


class Upload:
    """The upload of one object.

    ``write`` and ``finish`` raise UpstreamError once Storage was away for ``deadline`` seconds.
    After any error call ``undo``.
    """

    def __init__(
        self,
        storage: AsyncStorageClient,
        name: str,
        content_type: str,
        *,
        ahead: BufferBudget,
        deadline: float,
    ) -> None:
        self._storage = storage
        self._name = name
        self._content_type = content_type
        self._deadline = deadline
        self._ahead = ahead
        self._filling = Chunk()
        self._sent = 0
        self._tried = 0
        self._path: str | None = None
        self._creation: asyncio.Task[str] | None = None
        self._travelling: asyncio.Task[None] | None = None
        self._whole = False
        self._tried_to_put = False

    async def write(self, data: bytes) -> None:
        """Take the next bytes; waits while both of its chunks, or its only one, are full."""
        if self._travelling is not None and self._travelling.done():
            await self._travelling
        rest = memoryview(data)
        while rest:
            if self._filling.is_full:
                await self._dispatch(length=None)
            rest = self._filling.fill(rest)

    async def finish(self) -> None:
        """Send the last bytes; on return the object is there."""
        if self._sent == 0:
            await self._put(self._filling.content)
        else:
            await self._dispatch(length=self._sent + len(self._filling))
            await self._arrived()
        self._filling = Chunk()
        self._whole = True

    async def undo(self, seconds: float) -> None:
        """Leave nothing behind, at whatever point the upload is.

        Raises UpstreamError if that cannot be done in so many seconds.
        """
        async with _within(seconds):
            await self._stop()
            async for attempt in retrying_async(seconds):
                with attempt:
                    await self._remove()

    async def _stop(self) -> None:
        if self._travelling is not None:
            self._travelling.cancel()
            await asyncio.gather(self._travelling, return_exceptions=True)
        if self._path is None and self._creation is not None:
            with suppress(UpstreamError):
                self._path = await self._creation

    async def _remove(self) -> None:
        try:
            if self._path is not None and not self._whole:
                await self._storage.cancel_upload(self._path)
        finally:
            # An upload that cannot be ended may be an object by now, of which the answer was lost.
            if self._tried_to_put or self._path is not None:
                await self._storage.remove(self._name)

    async def _put(self, content: memoryview) -> None:
        async with _within(self._deadline):
            await self._put_again(content)

    async def _put_again(self, content: memoryview) -> None:
        async for attempt in retrying_async(self._deadline):
            with attempt:
                await self._put_once(content)

    async def _put_once(self, content: memoryview) -> None:
        try:
            await self._storage.put(self._name, content, self._content_type)
        except StorageConflictError as conflict:
            # Ours if an answer was lost; a gateway may have sent the very first try twice.
            if not await self._storage.holds(self._name, content):
                raise _taken(conflict.detail) from conflict
        except BaseException:
            self._tried_to_put = True
            raise
        self._tried_to_put = True

    async def _dispatch(self, *, length: int | None) -> None:
        await self._arrived()
        chunk, self._filling = self._filling, Chunk()
        start, self._sent = self._sent, self._sent + len(chunk)
        self._travelling = asyncio.create_task(self._deliver_in_time(chunk, start, length))
        if self._ahead.take():
            self._travelling.add_done_callback(lambda _: self._ahead.give_back())
        else:
            await self._arrived()

    async def _arrived(self) -> None:
        if self._travelling is not None:
            await self._travelling

    async def _deliver_in_time(self, chunk: Chunk, start: int, length: int | None) -> None:
        """Slow is not away: as long as bytes arrive, the time starts anew."""
        reached = start
        while True:
            try:
                async with _within(self._deadline * 3 / 4):
                    return await self._deliver(chunk, start, length)
            except TransientError:
                before, reached = reached, await self._reached(reached)
                if reached == before:
                    raise

    async def _reached(self, at_least: int) -> int:
        """How many bytes Storage has by now, if it tells."""
        if self._path is not None:
            with suppress(UpstreamError):
                async with _within(self._deadline / 4):
                    return max(at_least, (await self._storage.progress(self._path)).offset)
        return at_least

    async def _deliver(self, chunk: Chunk, start: int, length: int | None) -> None:
        async for attempt in retrying_async(self._deadline):
            with attempt:
                if self._path is None:
                    self._path = await self._create()
                if self._tried < start + len(chunk):
                    self._tried = start + len(chunk)
                    await self._storage.append(self._path, start, chunk.content, length=length)
                else:
                    await self._resume(self._path, chunk, start, length)

    async def _create(self) -> str:
        """Goes on when cancelled: else nobody would know the upload that is to be undone."""
        self._creation = asyncio.create_task(
            self._storage.create_upload(self._name, self._content_type)
        )
        return await asyncio.shield(self._creation)

    async def _resume(self, path: str, chunk: Chunk, start: int, length: int | None) -> None:
        progress = await self._storage.progress(path)
        if None not in (progress.length, length) and progress.length != length:
            raise PermanentError(STORAGE, f"expects {progress.length}, not {length}", code="lost")
        end = start + len(chunk)
        if not start <= progress.offset <= end:
            raise PermanentError(
                STORAGE, f"is at {progress.offset}, not in {start}-{end}", code="lost"
            )
        if progress.offset == end and await self._is_enough(progress, length):
            return
        rest = chunk.content[progress.offset - start :]
        untold = length if progress.length is None else None
        await self._storage.append(path, progress.offset, rest, length=untold)

    async def _is_enough(self, progress: Progress, length: int | None) -> bool:
        """Bytes that are all there are no object yet: Storage may have died before it made one.

        Then another PATCH, without a byte, makes it. Raises PermanentError if there is another object.
        """
        if length is None:
            return True
        if progress.length is None:
            return False
        size = await self._storage.size(self._name)
        if size not in {None, length}:
            raise _taken(f"has an object of {size} bytes, not of {length}")
        return size == length


def _taken(detail: str) -> PermanentError:
    return PermanentError(STORAGE, detail, code=NAME_TAKEN, status=409)


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """Bound all tries together: each of them may hang."""
    with translate_errors(STORAGE):
        async with asyncio.timeout(seconds):
            yield
