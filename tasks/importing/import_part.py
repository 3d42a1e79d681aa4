"""The story of one part: begin, read, sift, write, end.

However often it is told, and wherever it breaks off, the tables come out the same: every write is
keyed by the record's number, and the counts are recorded once, with the part's end. Where the
import is being cancelled, or the worker stopped, the part is left between two batches.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Final, Protocol
from uuid import UUID

import structlog

from core.errors import InvalidTransitionError, PermanentError, TransientError, UpstreamError
from core.supabase.storage_api import OBJECT_MISSING
from tasks.errors import (
    ImportCancelledError,
    PartFailedError,
    RetryLaterError,
    StaleAttemptError,
    WorkerStoppingError,
)
from tasks.importing.exclusive_lock import ExclusiveLock
from tasks.importing.models import Attempt, PartCounts, PartWork
from tasks.importing.pipeline import ContactWriter, PartPipeline, PartReader
from tasks.repository import GivenUp, PartEnd, Start, Stopped, Suspect
from tasks.writing.rejections import Objects, Rejections

log = structlog.stdlib.get_logger(__name__)

_OBJECT_GONE: Final = "The stored object is gone; send the import again."
_AWAY: Final = "upstream_unavailable"
_CHECK_VIOLATION: Final = "23514"
"""SQLSTATE by which the database refuses a part's end if its counts do not add up."""
_STALE_SECONDS: Final = 5.0
"""After so long the message of a part that another attempt has taken over comes again.

If that attempt ends the part, there is nothing to do then; if it dies, nothing is lost.
"""


class PartRepository(Protocol):
    """The moves of a part; all raise UpstreamError, and InvalidTransitionError if they are refused."""

    def start_part(self, attempt: Attempt, *, alone: bool, ended: Sequence[UUID]) -> Start:
        """Give a part to an attempt."""
        ...

    def fail_part(self, attempt: Attempt, code: str, detail: str) -> PartEnd:
        """Give a part up."""
        ...

    def cancel_part(self, attempt: Attempt) -> PartEnd:
        """End a part of an import that is being cancelled."""
        ...

    def postpone_part(self, attempt: Attempt, *, away: bool) -> int | None:
        """Hand a part back; returns how often something it needs was away."""
        ...


class Metrics(Protocol):
    """What is counted of the work on parts."""

    def records_read(self, count: int) -> None:
        """Records went by, whatever becomes of their part."""
        ...

    def part_worked_on(self, seconds: float) -> None:
        """Work on a part has stopped."""
        ...

    def part_done(self, work: PartWork, counts: PartCounts, end: PartEnd) -> None:
        """A part was imported."""
        ...

    def part_failed(self, end: PartEnd) -> None:
        """A part was given up."""
        ...

    def part_cancelled(self, end: PartEnd) -> None:
        """A part was stopped, since its import is being cancelled."""
        ...

    def part_postponed(self) -> None:
        """A part was handed back."""
        ...


class ImportPart:
    """Imports parts; usable by all threads of a process at once."""

    def __init__(  # noqa: PLR0913 -- all that a part needs
        self,
        repository: PartRepository,
        reader: PartReader,
        objects: Objects,
        writer_for: Callable[[PartWork], AbstractContextManager[ContactWriter]],
        metrics: Metrics,
        *,
        max_retries: int,
        stopping: threading.Event,
    ) -> None:
        """``max_retries`` is how often a part may be put off before it is given up.

        Once ``stopping`` is set, no part is begun, and those in work are handed back.
        """
        self._repository = repository
        self._reader = reader
        self._objects = objects
        self._writer_for = writer_for
        self._metrics = metrics
        self._max_retries = max_retries
        self._stopping = stopping
        self._exclusive_lock = ExclusiveLock()
        self._in_work: set[Attempt] = set()

    def __call__(self, import_id: UUID, part: int, *, ended: Sequence[UUID] = ()) -> None:
        """Import a part unless that is done.

        ``ended`` are the attempts that RetryLaterError and WorkerStoppingError have named before.
        Raises RetryLaterError if the part has to be tried again, WorkerStoppingError if not here.
        """
        attempt = Attempt(import_id, part)
        try:
            if not self._begin(attempt, ended, alone=False):
                log.warning("part did not end in order twice: it is imported alone")
                self._begin(attempt, ended, alone=True)
        except StaleAttemptError as error:
            self._leave(attempt, error)
        except InvalidTransitionError as error:
            log.warning("part has ended otherwise", reason=str(error))
        except UpstreamError as error:
            # Only the ledger's errors come here: not even how the attempt ended could be recorded.
            raise _put_off(error, attempt) from None

    def hand_back_rest(self) -> None:
        """Hand back the parts that threads of this process have in work, and can no longer end.

        What they still write is refused after that.
        """
        for attempt in tuple(self._in_work):
            self._hand_back(attempt)

    def _begin(self, attempt: Attempt, ended: Sequence[UUID], *, alone: bool) -> bool:
        """Returns whether it could be done in this company."""
        with (
            self._exclusive_lock.alone() if alone else self._exclusive_lock.among_others(),
            self._working(attempt),
        ):
            started = self._repository.start_part(attempt, alone=alone, ended=ended)
            if isinstance(started, PartWork):
                self._attempt(started)
            elif isinstance(started, GivenUp):
                log.error("part given up: its workers died or hung each time")
                self._failed(started.end)
            elif isinstance(started, Stopped):
                self._cancelled(started.end)
            elif started is None:
                log.info("nothing to do: the part has ended")
            return not isinstance(started, Suspect)

    @contextmanager
    def _working(self, attempt: Attempt) -> Iterator[None]:
        self._check_stopping()
        self._in_work.add(attempt)
        try:
            yield
        finally:
            self._in_work.discard(attempt)

    def _check_stopping(self) -> None:
        if self._stopping.is_set():
            raise WorkerStoppingError

    def _attempt(self, work: PartWork) -> None:
        attempt = work.attempt
        try:
            with self._writer_for(work) as writer:
                pipeline = PartPipeline(work, writer, Rejections(work, writer, self._objects))
                end = self._carry(work, pipeline) or self._finish(attempt, writer, pipeline.counts)
        except TransientError as error:
            self._postpone(attempt, error)
        except PermanentError as error:
            self._fail(attempt, _failure(error), error)
        except PartFailedError as failure:
            self._fail(attempt, failure, failure)
        except ImportCancelledError:
            self._cancelled(self._repository.cancel_part(attempt))
        except WorkerStoppingError:
            recorded = self._hand_back(attempt)
            raise WorkerStoppingError(ended=None if recorded else attempt.id) from None
        else:
            self._done(work, pipeline.counts, end)

    def _carry(self, work: PartWork, pipeline: PartPipeline) -> PartEnd | None:
        part = work.part
        pieces = self._reader.read(work.object, part.byte_start, part.byte_end)
        with self._timed(pipeline), closing(pieces):
            pipeline.carry(self._until_stopping(pieces))
            return pipeline.finish()

    def _until_stopping(self, pieces: Generator[bytes, None, None]) -> Iterator[bytes]:
        for piece in pieces:
            self._check_stopping()
            yield piece

    @contextmanager
    def _timed(self, pipeline: PartPipeline) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self._metrics.part_worked_on(time.monotonic() - started)
            self._metrics.records_read(pipeline.records_read)

    def _finish(self, attempt: Attempt, writer: ContactWriter, counts: PartCounts) -> PartEnd:
        try:
            return writer.finish(counts)
        except UpstreamError as error:
            if error.code == _CHECK_VIOLATION:
                detail = "The counts of the part do not add up to its records."
                raise PartFailedError("count_mismatch", detail) from error
            raise _put_off(error, attempt) from None

    def _done(self, work: PartWork, counts: PartCounts, end: PartEnd) -> None:
        self._metrics.part_done(work, counts, end)
        log.info("part done", imported=counts.imported, rejected=counts.rejected.total())
        _tell_close(end)

    def _fail(self, attempt: Attempt, failure: PartFailedError, cause: Exception) -> None:
        log.error("part failed", code=failure.code, reason=str(cause))
        self._failed(self._repository.fail_part(attempt, failure.code, failure.detail))

    def _failed(self, end: PartEnd) -> None:
        self._metrics.part_failed(end)
        _tell_close(end)

    def _cancelled(self, end: PartEnd) -> None:
        self._metrics.part_cancelled(end)
        log.info("part stopped: its import is being cancelled")
        _tell_close(end)

    def _postpone(self, attempt: Attempt, error: TransientError) -> None:
        retries = self._repository.postpone_part(attempt, away=True)
        self._metrics.part_postponed()
        if retries is not None and retries > self._max_retries:
            detail = f"Storage or the database was away in each of {retries} tries."
            self._fail(attempt, PartFailedError(_AWAY, detail), error)
            return
        log.warning("part put off", reason=error.detail, code=error.code, retries=retries)
        raise RetryLaterError.since(error, "something the part needs is away")

    def _hand_back(self, attempt: Attempt) -> bool:
        """Record that the attempt was stopped in order; returns whether that was possible."""
        try:
            self._repository.postpone_part(attempt, away=False)
        except UpstreamError as error:
            log.warning("part could not be handed back", reason=error.detail)
            return False
        self._metrics.part_postponed()
        return True

    def _leave(self, attempt: Attempt, error: StaleAttemptError) -> None:
        """Another attempt has the part; this one has not died, and must not count as if it had."""
        log.warning("part was taken over", reason=str(error))
        try:
            self._repository.postpone_part(attempt, away=False)
        except UpstreamError as away:
            raise _put_off(away, attempt) from None
        raise RetryLaterError("another attempt has the part", _STALE_SECONDS)


def _put_off(error: UpstreamError, attempt: Attempt) -> RetryLaterError:
    log.warning("ledger call failed", reason=error.detail, code=error.code)
    return RetryLaterError.since(error, "the repository is away", ended=attempt.id)


def _failure(error: PermanentError) -> PartFailedError:
    """What a client may know of an error of Storage or the database."""
    if error.code == OBJECT_MISSING:
        return PartFailedError(OBJECT_MISSING, _OBJECT_GONE)
    return PartFailedError(
        f"{error.upstream}_refused",
        f"The {error.upstream} refused what the import needs ({error.code}); "
        "the operator has to look.",
    )


def _tell_close(end: PartEnd) -> None:
    if end.closed:
        log.info("import closed", state=end.state.value, seconds=end.seconds)
