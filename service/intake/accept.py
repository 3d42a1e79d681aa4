"""One import from its validated request to the queue: split, store, record, or roll back."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

import structlog

from config.tracing import JOB_ID, NO_TRACES, Traces
from core.errors import TransientError, UpstreamError
from core.ids import job_id, new_import_id
from core.states import Format
from core.supabase.errors import DATABASE
from core.supabase.retry import OnRetry, uncounted
from core.supabase.storage_async import AsyncStorageClient
from service.fair_scheduling import FairScheduler, TimeSlice
from service.intake.body import Body
from service.intake.buffers import BufferBudget
from service.intake.limits import Limits
from service.intake.object_upload import Upload
from service.intake.read_size import parts_to_read
from service.intake.reading import plan_upload
from service.intake.request import ImportRequest
from service.intake.rollback import PendingRollbacks, log_failed_rollback
from service.problems import ProblemError
from service.repository import ExistingImport, NewImport, Repository
from service.splitting.base import Splitter

T = TypeVar("T")

_log = structlog.stdlib.get_logger(__name__)


class Intake:
    """Accepts imports. Rollbacks continue after their requests have ended."""

    def __init__(  # noqa: PLR0913 -- what an import needs, and who observes it
        self,
        storage: AsyncStorageClient,
        repository: Repository,
        limits: Limits,
        *,
        deadline: float,
        traces: Traces = NO_TRACES,
        on_retry: OnRetry = uncounted,
    ) -> None:
        """``deadline`` is how many seconds Supabase may be unavailable before a request fails.

        A rollback takes a third of that in addition.
        """
        self._traces = traces
        self.draining = False
        """Whether the service is stopping, so that no new requests should be accepted."""
        self._storage = storage
        self._repository = repository
        self._limits = limits
        self._rollback_seconds = deadline / 3
        self._upload_seconds = deadline
        self._on_retry = on_retry
        self._budget = BufferBudget()
        self._scheduler = FairScheduler()
        self._requests: set[asyncio.Task[Any]] = set()
        self._rollbacks: set[asyncio.Task[Any]] = set()
        self._pending = PendingRollbacks(repository, seconds=self._rollback_seconds / 2)

    async def accept(self, request: ImportRequest, body: Body) -> NewImport | ExistingImport:
        """Store the object of an import, record the import and queue it, in this order.

        Returns the existing import if there is one with the same Idempotency-Key, even if it was
        recorded in the meantime; nothing is left of this one then.

        Raises ProblemError, MalformedInputError, UpstreamError, or what reading the body raises.
        Then there is neither an object nor an import, or pending rollbacks will remove them.
        """
        import_id = new_import_id()
        with structlog.contextvars.bound_contextvars(job_id=job_id(import_id)):
            self._traces.annotate({JOB_ID: job_id(import_id)})
            # The first bytes decide how the text is read.
            reading = await plan_upload(request, await body.sample())
            splitter = reading.splitter(self._limits)
            pieces = self._split(body, splitter)

            # A repeated request is only read, to be compared with the one that made the import.
            if await self._is_known(request):
                async for _ in pieces:
                    pass
                new = await _new_import(import_id, request, body, splitter)
                return await self._find_existing(new)

            # Split while storing.
            upload = self._upload(import_id, splitter.format)
            try:
                with self._traces.span("upload"):
                    async for data in pieces:
                        await upload.write(data)
                    new = await _new_import(import_id, request, body, splitter)
                    await upload.finish()
                    self._traces.annotate({"contacts_importer.bytes": new.split.bytes})
                new = new.with_parts(parts_to_read(new.split.parts, upload.completion_seconds))
            except BaseException:
                await self._complete(upload.rollback(self._rollback_seconds))
                raise

            # Record and queue, in one transaction.
            try:
                existing, _ = await asyncio.gather(
                    self._repository.create_import(new), upload.forget()
                )
            except BaseException as error:
                not_committed = isinstance(error, UpstreamError) and error.not_committed
                continues = await self._complete(
                    self._roll_back(import_id, upload, may_be_recorded=not not_committed)
                )
                if not (continues and isinstance(error, TransientError)):
                    raise
                _log.warning("import recorded, answers lost", reason=error.detail)
                return new
            if existing is None:
                return new

            # Another request with the same key was recorded in the meantime.
            await self._complete(upload.rollback(self._rollback_seconds))
            return _checked(existing, new)

    async def _is_known(self, request: ImportRequest) -> bool:
        """Return whether there is an import with the request's Idempotency-Key."""
        key = request.idempotency_key
        return key is not None and await self._repository.has_import(key)

    async def _find_existing(self, new: NewImport) -> ExistingImport:
        """Return the import with the same Idempotency-Key as one that was only read."""
        existing = await self._repository.join_import(new)
        if existing is None:
            raise TransientError(
                DATABASE, "the import with the same key was rolled back", code="discarded"
            )
        return _checked(existing, new)

    def _upload(self, import_id: UUID, format_: Format) -> Upload:
        return Upload(
            self._storage,
            self._repository,
            _object_name(import_id, format_),
            format_.content_type,
            budget=self._budget,
            deadline=self._upload_seconds,
            on_retry=self._on_retry,
        )

    async def _split(self, body: Body, splitter: Splitter) -> AsyncIterator[bytes]:
        """Yield the bytes of the object; the splitter knows its parts at the end."""
        time_slice = TimeSlice()
        async for piece in body:
            await self._scheduler.next()
            async for data in _steps(splitter.feed(piece), slowly=splitter.begins_slowly(piece)):
                yield data
                await time_slice.yield_if_used_up()
        async for data in _steps(splitter.close(), slowly=splitter.begins_slowly(b"")):
            yield data
            await time_slice.yield_if_used_up()

    async def _roll_back(self, import_id: UUID, upload: Upload, *, may_be_recorded: bool) -> bool:
        """Discard an import, then remove its object.

        Returns True if the import continues, since a worker has begun it or another request was
        answered with it. If the database is unavailable, the rollback becomes a pending one.
        """
        if may_be_recorded:
            try:
                if await self._repository.discard_import(import_id, self._rollback_seconds / 2):
                    return True
            except TransientError:
                self._pending.add(import_id, upload)
                return False
        await upload.rollback(self._rollback_seconds / 2)
        return False

    async def _complete(self, rollback: Coroutine[Any, Any, T]) -> T | None:
        """Run a rollback to its end, even if its request is cancelled; return None if it fails."""
        task = asyncio.create_task(_logging_failure(rollback))
        self._rollbacks.add(task)
        task.add_done_callback(self._rollbacks.discard)
        return await asyncio.shield(task)

    @property
    def running(self) -> int:
        """Number of requests that are being accepted."""
        return len(self._requests)

    def register_request(self) -> None:
        """Count the request that the current task handles as running until the task ends."""
        task = asyncio.current_task()
        if task is not None:
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)

    async def drain(self, seconds: float) -> None:
        """Wait for the running requests, but no longer than so many seconds."""
        self.draining = True
        if self._requests:
            await asyncio.wait(self._requests, timeout=seconds)

    async def close(self) -> None:
        """Wait for rollbacks until they are complete or their time is over."""
        until = time.monotonic() + self._rollback_seconds
        if self._rollbacks:
            await asyncio.wait(self._rollbacks)
        await self._pending.close(max(0.0, until - time.monotonic()))


async def _steps(stored: Iterator[bytes], *, slowly: bool) -> AsyncIterator[bytes]:
    """Yield the bytes of the object; the first step is taken in a thread if it may take long."""
    if slowly and (first := await asyncio.to_thread(next, stored, None)) is not None:
        yield first
    for data in stored:
        yield data


async def _new_import(
    import_id: UUID, request: ImportRequest, body: Body, splitter: Splitter
) -> NewImport:
    """Return the import of a body that was read and split; raises what reading its end raises."""
    # A file may name a source of its own, but the client's counts; in a body the two are equal.
    source = await body.trailing_source() or request.options.source or splitter.source
    if source is None:
        where = 'in the field "source" of the form' if request.is_file else 'as "source" in it'
        raise ProblemError(
            "source_missing", f"Name the source in the address (/import?source=...) or {where}."
        )
    name = _object_name(import_id, splitter.format)
    return NewImport(import_id, request, source, name, splitter.split(), body.digest)


def _object_name(import_id: UUID, format_: Format) -> str:
    return f"{job_id(import_id)}.{format_}"


def _checked(existing: ExistingImport, new: NewImport) -> ExistingImport:
    """Return the existing import if the request of ``new`` equals the one that made it."""
    if existing.same:
        return replace(existing, plan=new.plan)
    raise ProblemError(
        "idempotency_key_reused",
        "An earlier request with this Idempotency-Key had another body, source or option. Use a "
        "new key for each import, and the same one only to send it again.",
    )


async def _logging_failure(rollback: Coroutine[Any, Any, T]) -> T | None:
    try:
        return await rollback
    except UpstreamError as error:
        log_failed_rollback(error)
        return None
