"""The story of one upload: split, store, record and queue; or leave nothing behind."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar
from uuid import UUID

import structlog

from config.errors import Transient, UpstreamError
from config.ids import job_id, new_import_id
from service.chunks import Ahead
from service.ledger import Ledger, NewImport
from service.storage import Storage
from service.submission import Submission
from service.turns import Turn
from service.undecided import Undecided
from service.upload import Upload

T = TypeVar("T")

_log = structlog.stdlib.get_logger(__name__)


class Intake:
    """Takes submissions in. Its undoing of failed ones goes on after their requests have ended."""

    def __init__(self, storage: Storage, ledger: Ledger, *, deadline: float) -> None:
        """``deadline`` is how many seconds a part of Supabase may be away, undoing included."""
        self._storage = storage
        self._ledger = ledger
        self._deadline = deadline
        self._undo_seconds = deadline / 3
        self._ahead = Ahead()
        self._undoing: set[asyncio.Task[Any]] = set()
        self._undecided = Undecided(ledger, seconds=self._undo_seconds / 2)
        self._running: set[asyncio.Task[Any]] = set()
        self.draining = False
        """True once no new submissions should come."""

    async def accept(self, submission: Submission) -> NewImport:
        """Store a submission's object, record the import and queue it, in this order.

        Raises MalformedInput, UpstreamError, or what reading the pieces raises; then there is
        neither object nor import, or there soon will be none: see service.undecided.
        """
        import_id = new_import_id()
        with structlog.contextvars.bound_contextvars(import_id=str(import_id)):
            name = f"{job_id(import_id)}.{submission.splitter.format}"
            upload = Upload(
                self._storage,
                name,
                submission.splitter.format.content_type,
                ahead=self._ahead,
                deadline=self._deadline - self._undo_seconds,
            )
            source = await self._store(submission, upload)
            split = submission.splitter.split()
            new = NewImport(import_id, source, name, split, submission.compression)
            await self._record(new, upload)
        return new

    @property
    def running(self) -> int:
        """Requests with a submission that is on its way."""
        return len(self._running)

    def begin(self) -> None:
        """Count the request that the current task answers among the running ones until it ends."""
        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def drain(self, seconds: float) -> None:
        """Wait for the requests whose submissions are on their way, but no longer than that."""
        self.draining = True
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    async def close(self) -> None:
        """Wait until what had to be undone is undone, or cannot be in time."""
        until = time.monotonic() + self._undo_seconds
        if self._undoing:
            await asyncio.wait(self._undoing)
        await self._undecided.close(max(0.0, until - time.monotonic()))

    async def _store(self, submission: Submission, upload: Upload) -> str:
        """Bring the object into Storage; tells the source."""
        try:
            async for data in _stored(submission):
                await upload.write(data)
            source = await submission.source()
            await upload.finish()
        except BaseException:
            await self._undo(upload.undo(self._undo_seconds))
            raise
        return source

    async def _record(self, new: NewImport, upload: Upload) -> None:
        try:
            await self._ledger.create_import(new)
        except BaseException as error:
            undone = isinstance(error, UpstreamError) and error.undone
            goes_on = await self._undo(self._take_back(new.id, upload, recorded=not undone))
            if not (goes_on and isinstance(error, Transient)):
                raise
            _log.warning("only the answers were lost", reason=error.detail)

    async def _take_back(self, import_id: UUID, upload: Upload, *, recorded: bool) -> bool:
        """Leave nothing of an import; tells whether it goes on since a worker has begun it.

        ``recorded`` is whether it may be there. The object is removed last, when that is known.
        """
        if recorded:
            try:
                if await self._ledger.discard_import(import_id, self._undo_seconds / 2):
                    return True
            except Transient:
                self._undecided.add(import_id, upload)
                return False
        await upload.undo(self._undo_seconds / 2)
        return False

    async def _undo(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Do it to the end, also when the request that needs it is cancelled meanwhile."""
        task = asyncio.create_task(_logged(work))
        self._undoing.add(task)
        task.add_done_callback(self._undoing.discard)
        return await asyncio.shield(task)


async def _logged(work: Coroutine[Any, Any, T]) -> T | None:
    try:
        return await work
    except UpstreamError as error:
        _left_behind(error)
        return None


def _left_behind(error: UpstreamError) -> None:
    _log.error("left behind", upstream=error.upstream, reason=error.detail)


async def _stored(submission: Submission) -> AsyncIterator[bytes]:
    turn = Turn()
    async for piece in submission.pieces:
        for data in submission.splitter.feed(piece):
            yield data
            await turn.share()
    for data in submission.splitter.close():
        yield data
        await turn.share()
