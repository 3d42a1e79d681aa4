"""The story of one upload: split, store, record and queue; or leave nothing behind."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar
from uuid import UUID

import structlog

from core.errors import TransientError, UpstreamError
from core.ids import job_id, new_import_id
from core.supabase.errors import DATABASE
from core.supabase.storage_async import AsyncStorageClient
from service.fair_scheduling import FairScheduler, TimeSlice
from service.intake.buffers import BufferBudget
from service.intake.rollback import PendingRollbacks
from service.intake.submission import Submission
from service.intake.upload import Upload
from service.problems import ProblemError
from service.repository import ExistingImport, NewImport, Repository

T = TypeVar("T")

_log = structlog.stdlib.get_logger(__name__)


class Intake:
    """Takes submissions in. Its undoing of failed ones goes on after their requests have ended."""

    def __init__(
        self, storage: AsyncStorageClient, repository: Repository, *, deadline: float
    ) -> None:
        """``deadline`` is how many seconds a part of Supabase may be away, undoing included."""
        self._storage = storage
        self._repository = repository
        self._deadline = deadline
        self._undo_seconds = deadline / 3
        self._ahead = BufferBudget()
        self._turns = FairScheduler()
        self._undoing: set[asyncio.Task[Any]] = set()
        self._pending_rollbacks = PendingRollbacks(repository, seconds=self._undo_seconds / 2)
        self._running: set[asyncio.Task[Any]] = set()
        self.draining = False
        """True once no new submissions should come."""

    async def accept(self, submission: Submission) -> NewImport | ExistingImport:
        """Store a submission's object, record the import and queue it, in this order.

        Tells the earlier import if there is one with the same Idempotency-Key, also if that came
        while this one was on its way; then nothing is left of this one.

        Raises ProblemError, MalformedInputError, UpstreamError, or what reading the pieces raises; then there
        is neither object nor import, or there soon will be none: see service.intake.rollback.
        """
        key, import_id = submission.options.key, new_import_id()
        with structlog.contextvars.bound_contextvars(import_id=str(import_id)):
            if key is not None and await self._repository.knows(key):
                return await self._join(await self._read(submission, import_id))
            upload = self._upload(submission, import_id)
            source = await self._store(submission, upload)
            new = _new_import(submission, import_id, source)
            return await self._record(new, upload) or new

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
        await self._pending_rollbacks.close(max(0.0, until - time.monotonic()))

    def _upload(self, submission: Submission, import_id: UUID) -> Upload:
        return Upload(
            self._storage,
            _object_name(submission, import_id),
            submission.splitter.format.content_type,
            ahead=self._ahead,
            deadline=self._deadline - self._undo_seconds,
        )

    async def _store(self, submission: Submission, upload: Upload) -> str:
        """Bring the object into Storage; tells the source."""
        try:
            async for data in _stored(submission, self._turns):
                await upload.write(data)
            source = await submission.source()
            await upload.finish()
        except BaseException:
            await self._undo(upload.undo(self._undo_seconds))
            raise
        return source

    async def _read(self, submission: Submission, import_id: UUID) -> NewImport:
        """The import as it would be if it were stored."""
        async for _ in _stored(submission, self._turns):
            pass
        return _new_import(submission, import_id, await submission.source())

    async def _record(self, new: NewImport, upload: Upload) -> ExistingImport | None:
        """Returns the import that another request with the same Idempotency-Key has made of it."""
        try:
            earlier = await self._repository.create_import(new)
        except BaseException as error:
            not_committed = isinstance(error, UpstreamError) and error.not_committed
            goes_on = await self._undo(self._take_back(new.id, upload, recorded=not not_committed))
            if not (goes_on and isinstance(error, TransientError)):
                raise
            _log.warning("only the answers were lost", reason=error.detail)
            return None
        if earlier is None:
            return None
        await self._undo(upload.undo(self._undo_seconds))
        return _same(earlier)

    async def _join(self, new: NewImport) -> ExistingImport:
        """The earlier import of the same key, once what is not stored is known to be the same."""
        earlier = await self._repository.join_import(new)
        if earlier is None:
            raise TransientError(
                DATABASE, "the import of the same key was taken back", code="discarded"
            )
        return _same(earlier)

    async def _take_back(self, import_id: UUID, upload: Upload, *, recorded: bool) -> bool:
        """Leave nothing of an import; tells whether it goes on since others know of it by now.

        ``recorded`` is whether it may be there. The object is removed last, when that is known.
        """
        if recorded:
            try:
                if await self._repository.discard_import(import_id, self._undo_seconds / 2):
                    return True
            except TransientError:
                self._pending_rollbacks.add(import_id, upload)
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


def _object_name(submission: Submission, import_id: UUID) -> str:
    return f"{job_id(import_id)}.{submission.splitter.format}"


def _new_import(submission: Submission, import_id: UUID, source: str) -> NewImport:
    return NewImport(
        import_id,
        source,
        _object_name(submission, import_id),
        submission.splitter.split(),
        submission.receipt,
        submission.options,
        submission.compression,
    )


def _same(earlier: ExistingImport) -> ExistingImport:
    """The earlier import, if the other request may be answered with it; raises ProblemError if not."""
    if earlier.same:
        return earlier
    raise ProblemError(
        "idempotency_key_reused",
        "An earlier request with this Idempotency-Key had another body, source or option. Use a "
        "new key for each import, and the same one only to send it again.",
    )


async def _stored(submission: Submission, turns: FairScheduler) -> AsyncIterator[bytes]:
    turn = TimeSlice()
    async for piece in submission.pieces:
        await turns.next()
        for data in submission.splitter.feed(piece):
            yield data
            await turn.share()
    for data in submission.splitter.close():
        yield data
        await turn.share()
