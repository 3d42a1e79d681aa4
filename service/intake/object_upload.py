"""The upload of one object to Storage: the whole object is stored, or nothing.

Up to 6 MiB it is one standard upload. Above, it is a resumable upload in chunks of exactly 6 MiB,
of which one is sent while the next one fills. After an error it is resumed from the offset that
Storage reports.

If the answer to a request is lost, what Storage has is compared with what was sent before it counts
as stored: a small object byte for byte, a large one by its length. If they differ, the upload
fails; the client sends its request again, which uploads under a new name. Nothing is overwritten,
since the object may belong to another upload. ``rollback`` removes only what a request of this
upload may have created; an object that existed before stays, and the sweep removes it if no import
owns it.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

from core.errors import PermanentError, StorageConflictError, TransientError, UpstreamError
from core.supabase.errors import STORAGE, translate_errors
from core.supabase.retry import OnRetry, retrying_async, uncounted
from core.supabase.storage_async import AsyncStorageClient
from core.supabase.storage_shared import (
    NAME_TAKEN,
    UPLOAD_LOST,
    UPLOAD_SEEN_EVERY,
    Progress,
    digest_seconds,
)
from service.intake.buffers import BufferBudget, Chunk

_NOTE_SECONDS: Final = 5.0
"""How long a record about an upload may take, whose bytes wait meanwhile."""


class UploadRegistry(Protocol):
    """Knows which resumable uploads run, so that a sweep ends those whose service is gone."""

    async def note_upload(self, path: str, *, seconds: float | None = None) -> None:
        """Record that an upload runs; ``seconds`` takes the place of the registry's deadline."""

    async def forget_upload(self, path: str, *, seconds: float) -> None:
        """Record that an upload has ended."""


class Upload:
    """Uploads one object.

    ``write`` and ``finish`` raise UpstreamError, a TransientError once Storage has been unavailable
    for ``deadline`` seconds. After any error call ``rollback``.
    """

    def __init__(  # noqa: PLR0913
        self,
        storage: AsyncStorageClient,
        registry: UploadRegistry,
        name: str,
        content_type: str,
        *,
        budget: BufferBudget,
        deadline: float,
        on_retry: OnRetry = uncounted,
    ) -> None:
        """``budget`` decides whether a chunk may fill while another one is sent."""
        self._storage = storage
        self._registry = registry
        self._name = name
        self._content_type = content_type
        self._budget = budget
        self._deadline = deadline
        self._on_retry = on_retry
        self._filling = Chunk()
        self._dispatched_bytes = 0
        self._attempted_bytes = 0
        """End of the bytes that were sent at least once; beyond, Storage cannot have any."""
        self._path: str | None = None
        """Path of the resumable upload, once it is created."""
        self._noted_at = 0.0
        """When the resumable upload was last recorded to run, by the monotonic clock."""
        self._creation: asyncio.Task[str] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._may_have_put = False
        self._is_finished = False
        self._chunk_seconds = 0.0
        """How long the last chunk took that was sent."""
        self.completion_seconds = 0.0
        """How long Storage took to make the object of its bytes; 0 for a standard upload."""

    async def write(self, data: bytes) -> None:
        """Add the next bytes; waits while there is no room in a chunk."""
        if self._sending is not None and self._sending.done():
            await self._sending
        rest = memoryview(data)
        while rest:
            if self._filling.is_full:
                await self._dispatch(length=None)
            rest = self._filling.fill(rest)

    async def finish(self) -> None:
        """Send the last bytes; the object exists on return. Then call ``forget``."""
        if self._dispatched_bytes == 0:
            await self._put(self._filling.content)
        else:
            await self._dispatch(length=self._dispatched_bytes + len(self._filling))
            await self._sent()
        self._filling = Chunk()
        self._is_finished = True

    async def forget(self) -> None:
        """Record that the upload has ended; if that fails, the sweep finds that out."""
        if self._path is not None:
            with suppress(UpstreamError):
                await self._registry.forget_upload(self._path, seconds=_NOTE_SECONDS)

    async def rollback(self, seconds: float) -> None:
        """Remove everything, whatever the upload's state.

        Raises UpstreamError if that does not succeed within so many seconds.
        """
        async with _time_limit(seconds):
            if self._sending is not None:
                self._sending.cancel()
                await asyncio.gather(self._sending, return_exceptions=True)
            if self._path is None and self._creation is not None:
                with suppress(UpstreamError):
                    self._path = await self._creation
            async for attempt in retrying_async(seconds, self._on_retry):
                with attempt:
                    await self._remove()

    async def _remove(self) -> None:
        try:
            if self._path is not None and not self._is_finished:
                await self._storage.cancel_upload(self._path)
                await self.forget()
        finally:
            # If it cannot be cancelled, it may have become an object whose answer was lost.
            if self._may_have_put or self._path is not None:
                await self._storage.remove(self._name)

    async def _put(self, content: memoryview) -> None:
        """Store a small object by one request."""
        async with _time_limit(self._deadline):
            async for attempt in retrying_async(self._deadline, self._on_retry):
                with attempt:
                    await self._put_once(content)

    async def _put_once(self, content: memoryview) -> None:
        try:
            await self._storage.put(self._name, content, self._content_type)
        except StorageConflictError as conflict:
            # The object is ours if an answer was lost, or if a gateway has sent a request twice.
            if not await self._storage.holds(self._name, content):
                raise _name_taken(conflict.detail) from conflict
        except BaseException:
            self._may_have_put = True
            raise
        self._may_have_put = True

    async def _dispatch(self, *, length: int | None) -> None:
        """Begin to send the filled chunk, after the one before; ``length`` ends the upload."""
        await self._sent()
        chunk, self._filling = self._filling, Chunk()
        start, self._dispatched_bytes = self._dispatched_bytes, self._dispatched_bytes + len(chunk)
        self._sending = asyncio.create_task(self._send(chunk, start, length))
        if self._budget.try_acquire():
            self._sending.add_done_callback(lambda _: self._budget.release())
        else:
            await self._sent()

    async def _sent(self) -> None:
        if self._sending is not None:
            await self._sending

    async def _send(self, chunk: Chunk, start: int, length: int | None) -> None:
        """Send a chunk; the time limit starts anew as long as Storage makes progress.

        The last chunk has more time, since Storage may read the whole object before it answers.
        """
        path = self._path or await self._begin()
        await self._note_again(path)
        received = start
        deadline = self._deadline + digest_seconds(length or 0)
        while True:
            try:
                async with _time_limit(deadline):
                    return await self._send_with_retries(path, chunk, start, length, deadline)
            except TransientError:
                before, received = received, await self._received(path, at_least=received)
                if received == before:
                    raise

    async def _received(self, path: str, *, at_least: int) -> int:
        """Return how many bytes Storage has; ``at_least`` if it does not answer."""
        with suppress(UpstreamError):
            async with _time_limit(self._deadline / 4):
                return max(at_least, (await self._storage.progress(path)).offset)
        return at_least

    async def _send_with_retries(
        self, path: str, chunk: Chunk, start: int, length: int | None, deadline: float
    ) -> None:
        end = start + len(chunk)
        async for attempt in retrying_async(deadline, self._on_retry):
            begun = time.monotonic()
            with attempt:
                if self._attempted_bytes < end:
                    self._attempted_bytes = end
                    await self._storage.append(path, start, chunk.content, length=length)
                else:
                    await self._resume(path, chunk, start, length)
                before, self._chunk_seconds = self._chunk_seconds, time.monotonic() - begun
                if length is not None:
                    self.completion_seconds = max(0.0, self._chunk_seconds - before)

    async def _begin(self) -> str:
        """Create the resumable upload, and record it before it has any bytes; return its path."""
        path = ""
        async with _time_limit(self._deadline):
            async for attempt in retrying_async(self._deadline, self._on_retry):
                with attempt:
                    path = self._path = await self._create()
        await self._registry.note_upload(path)
        self._noted_at = time.monotonic()
        return path

    async def _create(self) -> str:
        """Create the resumable upload.

        Not cancelled with its caller: the path of the upload would be unknown to ``rollback``.
        """
        self._creation = asyncio.create_task(
            self._storage.create_upload(self._name, self._content_type)
        )
        return await asyncio.shield(self._creation)

    async def _note_again(self, path: str) -> None:
        """Record from time to time that the upload still runs."""
        if time.monotonic() - self._noted_at >= UPLOAD_SEEN_EVERY:
            self._noted_at = time.monotonic()
            # The sweep waits for much longer: one of the next times is early enough.
            with suppress(UpstreamError):
                await self._registry.note_upload(path, seconds=_NOTE_SECONDS)

    async def _resume(self, path: str, chunk: Chunk, start: int, length: int | None) -> None:
        """Send what Storage lacks of a chunk that was sent before."""
        progress = await self._storage.progress(path)
        if None not in (progress.length, length) and progress.length != length:
            raise PermanentError(
                STORAGE, f"expects {progress.length}, not {length}", code=UPLOAD_LOST
            )
        end = start + len(chunk)
        if not start <= progress.offset <= end:
            raise PermanentError(
                STORAGE, f"is at {progress.offset}, not in {start}-{end}", code=UPLOAD_LOST
            )
        if progress.offset == end and await self._is_complete(progress, length):
            return
        rest = chunk.content[progress.offset - start :]
        missing_length = length if progress.length is None else None
        await self._storage.append(path, progress.offset, rest, length=missing_length)

    async def _is_complete(self, progress: Progress, length: int | None) -> bool:
        """Return whether Storage needs nothing more, since it has all bytes of the chunk.

        At the end it may have all bytes, but no object, as if it was killed in between: then
        another PATCH without any bytes makes the object. Raises PermanentError if the name belongs
        to another object.
        """
        if length is None:
            return True
        if progress.length is None:
            return False
        size = await self._storage.size(self._name)
        if size not in {None, length}:
            raise _name_taken(f"has an object of {size} bytes, not of {length}")
        return size == length


def _name_taken(detail: str) -> PermanentError:
    return PermanentError(STORAGE, detail, code=NAME_TAKEN, status=409)


@asynccontextmanager
async def _time_limit(seconds: float) -> AsyncIterator[None]:
    """Limit the time of all attempts together: each of them may hang."""
    with translate_errors(STORAGE):
        async with asyncio.timeout(seconds):
            yield
