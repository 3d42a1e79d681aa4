"""The import of one part: start, read, parse, classify, write, finish.

A part may be imported any number of times and interrupted anywhere, and the tables come out the
same: every write is keyed by the record's number, and the counts are recorded once, with the part's
end. If the import is cancelled or the worker stops, the part is left between two batches.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from config.tracing import JOB_ID, NO_TRACES, OUTCOME, Traces
from core.errors import InvalidTransitionError, PermanentError, TransientError, UpstreamError
from core.ids import job_id
from core.queue_messages import IMPORT_PART
from core.supabase.storage_blocking import StorageClient
from core.supabase.storage_shared import OBJECT_MISSING
from tasks.errors import (
    ImportCancelledError,
    PartFailedError,
    RetryLaterError,
    StaleAttemptError,
    WorkerStoppingError,
)
from tasks.importing.exclusive_lock import ExclusiveLock
from tasks.importing.models import (
    Attempt,
    NeedsExclusiveRun,
    PartCancelled,
    PartCounts,
    PartEnd,
    PartGivenUp,
    PartStart,
    PartWork,
)
from tasks.importing.part_pipeline import PartPipeline
from tasks.repository import Repository
from tasks.writing.base import ContactWriter
from tasks.writing.rejections import PartRejections

if TYPE_CHECKING:
    from tasks.metrics import Metrics

log = structlog.stdlib.get_logger(__name__)

_CHECK_VIOLATION: Final = "23514"
"""SQLSTATE with which ``finish_part`` fails if the counts are not those of the part's records."""
_STALE_DELAY: Final = 5.0
"""Seconds after which the message of a part that another attempt owns is processed again.

If that attempt has finished the part by then, there is nothing to do; if it has crashed, the part
is not lost.
"""


class ImportPart:
    """Imports parts; shared by all threads of a process."""

    def __init__(  # noqa: PLR0913 -- everything that a part needs
        self,
        repository: Repository,
        storage: StorageClient,
        writer_for: Callable[[PartWork], AbstractContextManager[ContactWriter]],
        metrics: "Metrics",
        *,
        max_retries: int,
        stopping: threading.Event,
        traces: Traces = NO_TRACES,
    ) -> None:
        """``max_retries`` is how often a part may be postponed before it fails.

        Once ``stopping`` is set, no part is started, and those in progress are handed back.
        """
        self._repository = repository
        self._storage = storage
        self._writer_for = writer_for
        self._metrics = metrics
        self._max_retries = max_retries
        self._stopping = stopping
        self._traces = traces
        self._lock = ExclusiveLock()
        self._in_progress: set[Attempt] = set()

    def __call__(
        self,
        import_id: UUID,
        part: int,
        *,
        message_id: UUID | None = None,
        ended_attempts: Sequence[UUID] = (),
    ) -> None:
        """Import the part that is due: of all imports if the message is given, else the named one.

        ``ended_attempts`` are those that RetryLaterError and WorkerStoppingError have named before.
        Raises RetryLaterError if the message has to be processed again, and WorkerStoppingError if
        another worker has to do that.
        """
        attempt = Attempt(import_id, part)
        with self._lock.shared():
            start = self._start(attempt, message_id, ended_attempts, exclusive=False)
        if isinstance(start, NeedsExclusiveRun):
            log.warning("part may have crashed its workers: importing it alone")
            with self._lock.exclusive():
                self._start(start.attempt, message_id, ended_attempts, exclusive=True)

    def hand_back_all(self) -> None:
        """Hand back the parts of threads that do not end; what they still write is rejected."""
        for attempt in tuple(self._in_progress):
            self._hand_back(attempt)

    def _start(
        self,
        attempt: Attempt,
        message_id: UUID | None,
        ended_attempts: Sequence[UUID],
        *,
        exclusive: bool,
    ) -> PartStart:
        """Start the part that is due, and import it; returns what was started."""
        self._check_stopping()
        begun = time.time_ns()
        try:
            start = self._repository.start_part(
                attempt, message_id, exclusive=exclusive, ended_attempts=ended_attempts
            )
        except UpstreamError as error:
            raise _database_unavailable(error, attempt) from None
        if start is None:
            log.info("no part is left for the message")
            return None
        if isinstance(start, NeedsExclusiveRun):
            return start
        job, part = job_id(start.attempt.import_id), start.attempt.part
        with (
            structlog.contextvars.bound_contextvars(job_id=job, part=part),
            self._traces.span(
                IMPORT_PART,
                kind="consumer",
                parent=start.attempt.traceparent,
                start=begun,
                attributes={JOB_ID: job, "contacts_importer.part": part},
                expected=(WorkerStoppingError,),
            ),
        ):
            match start:
                case PartWork():
                    self._traces.annotate({"contacts_importer.records": start.part.records})
                    self._import(start)
                case PartCancelled(end=end):
                    self._report_cancelled(end)
                case PartGivenUp(end=end):
                    log.error("part given up: its workers crashed or hung each time")
                    self._traces.fail("attempts_exhausted")
                    self._report_failed(end)
        return start

    def _import(self, work: PartWork) -> None:
        """Import the part; gives way if another attempt owns it or it has ended meanwhile."""
        attempt = work.attempt
        self._in_progress.add(attempt)
        try:
            self._import_and_end(work)
        except StaleAttemptError as error:
            log.warning("part is owned by another attempt", reason=str(error))
            self._traces.annotate({OUTCOME: "superseded"})
            try:  # to record that this attempt has not crashed
                self._repository.postpone_part(attempt, unavailable=False)
            except UpstreamError as unavailable:
                raise _database_unavailable(unavailable, attempt) from None
            raise RetryLaterError("another attempt owns the part", _STALE_DELAY) from None
        except InvalidTransitionError as error:
            log.warning("part has ended meanwhile", reason=str(error))
            self._traces.annotate({OUTCOME: "superseded"})
        except UpstreamError as error:  # the end could not be recorded
            raise _database_unavailable(error, attempt) from None
        finally:
            self._in_progress.discard(attempt)

    def _import_and_end(self, work: PartWork) -> None:
        """Import the part, and record how the attempt ended."""
        attempt = work.attempt
        try:
            counts, end = self._read_and_write(work)
        except TransientError as error:
            self._postpone(attempt, error)
        except PermanentError as error:
            self._fail(attempt, _failure_of(error), error)
        except PartFailedError as failure:
            self._fail(attempt, failure, failure)
        except ImportCancelledError:
            self._report_cancelled(self._repository.cancel_part(attempt))
        except WorkerStoppingError:
            recorded = self._hand_back(attempt)
            raise WorkerStoppingError(None if recorded else attempt.id) from None
        else:
            self._metrics.part_done(work, counts, end)
            self._traces.annotate(
                {
                    OUTCOME: "done",
                    "contacts_importer.imported": counts.imported,
                    "contacts_importer.rejected": counts.rejected.total(),
                }
            )
            log.info("part finished", imported=counts.imported, rejected=counts.rejected.total())
            _log_import_closed(end)

    def _read_and_write(self, work: PartWork) -> tuple[PartCounts, PartEnd]:
        """Move the part's records from the object to the tables, and finish the part."""
        with self._writer_for(work) as writer:
            pipeline = PartPipeline(work, writer, PartRejections(work, writer, self._storage))
            part = work.part
            chunks = self._storage.read(
                work.object, part.byte_start, part.byte_end, size=work.object_bytes
            )
            # Closed before an error is passed on, since the error's traceback keeps it alive.
            with self._measured(pipeline), closing(chunks):
                pipeline.process(self._until_stopping(chunks))
                end = pipeline.write_last()
            try:
                return pipeline.counts, end or writer.finish(pipeline.counts)
            except UpstreamError as error:
                if error.code == _CHECK_VIOLATION:
                    detail = "The counts of the part do not add up to its records."
                    raise PartFailedError("count_mismatch", detail) from error
                raise _database_unavailable(error, work.attempt) from None

    def _postpone(self, attempt: Attempt, error: TransientError) -> None:
        """Have the part tried again later, or fail it after too many retries."""
        retries = self._repository.postpone_part(attempt, unavailable=True)
        self._metrics.part_postponed()
        self._traces.annotate({OUTCOME: "postponed"})
        if retries is not None and retries > self._max_retries:
            detail = f"Storage or the database was unavailable in each of {retries} attempts."
            self._fail(attempt, PartFailedError("upstream_unavailable", detail), error)
            return
        log.warning("part postponed", reason=error.detail, code=error.code, retries=retries)
        self._traces.fail(error.code)
        raise RetryLaterError.because_of(error, "Storage or the database is unavailable")

    def _fail(self, attempt: Attempt, failure: PartFailedError, cause: Exception) -> None:
        log.error("part failed", code=failure.code, reason=str(cause))
        self._traces.fail(failure.code)
        self._report_failed(self._repository.fail_part(attempt, failure.code, failure.detail))

    def _report_failed(self, end: PartEnd) -> None:
        self._metrics.part_failed(end)
        self._traces.annotate({OUTCOME: "failed"})
        _log_import_closed(end)

    def _report_cancelled(self, end: PartEnd) -> None:
        self._metrics.part_cancelled(end)
        self._traces.annotate({OUTCOME: "cancelled"})
        log.info("part cancelled")
        _log_import_closed(end)

    def _hand_back(self, attempt: Attempt) -> bool:
        """Queue the part again, since this worker is stopping; returns whether it was recorded."""
        try:
            self._repository.postpone_part(attempt, unavailable=False)
        except UpstreamError as error:
            log.warning("part could not be handed back", reason=error.detail)
            return False
        self._metrics.part_postponed()
        self._traces.annotate({OUTCOME: "postponed"})
        return True

    def _check_stopping(self) -> None:
        if self._stopping.is_set():
            raise WorkerStoppingError

    def _until_stopping(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._check_stopping()
            yield chunk

    @contextmanager
    def _measured(self, pipeline: PartPipeline) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self._metrics.part_worked_on(time.monotonic() - started)
            self._metrics.records_read(pipeline.records_read)


def _database_unavailable(error: UpstreamError, attempt: Attempt) -> RetryLaterError:
    log.warning("repository call failed", reason=error.detail, code=error.code)
    return RetryLaterError.because_of(
        error, "the database is unavailable", ended_attempt=attempt.id
    )


def _failure_of(error: PermanentError) -> PartFailedError:
    """What a client may know about an error of Storage or the database."""
    if error.code == OBJECT_MISSING:
        return PartFailedError(
            OBJECT_MISSING, "The stored object is missing; send the import again."
        )
    return PartFailedError(
        f"{error.upstream}_refused",
        f"The {error.upstream} rejected a request of this import ({error.code}); "
        "ask the operator to look into it.",
    )


def _log_import_closed(end: PartEnd) -> None:
    if end.import_closed:
        log.info("import closed", state=end.import_state.value, seconds=end.import_seconds)
