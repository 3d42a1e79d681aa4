"""The story of one part: begin, read, sift, write, end.

However often it is told, and wherever it breaks off, the tables come out the same: every write is
keyed by the record's number, and the counts are recorded once, with the part's end. Where the
import is being cancelled, the part ends between two batches.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Final, Protocol
from uuid import UUID

import structlog
from dramatiq.middleware import Shutdown

from config.errors import IllegalMove, Permanent, Transient, UpstreamError
from tasks.carrying import Carrier, Desk, PartReader
from tasks.errors import Cancelled, PartFailed, PutOff
from tasks.gate import Gate
from tasks.ledger import GivenUp, PartEnd, Start, Stopped, Suspect
from tasks.model import PartWork, Tally
from tasks.reading import OBJECT_MISSING

log = structlog.stdlib.get_logger(__name__)

_OBJECT_GONE: Final = "The stored object is gone; send the import again."
_AWAY: Final = "upstream_unavailable"


class PartLedger(Protocol):
    """What the story needs of WorkerLedger."""

    def start_part(self, import_id: UUID, part: int, *, alone: bool) -> Start:
        """See WorkerLedger."""
        ...

    def fail_part(self, work: PartWork, code: str, detail: str) -> PartEnd:
        """See WorkerLedger."""
        ...

    def cancel_part(self, work: PartWork) -> PartEnd:
        """See WorkerLedger."""
        ...

    def postpone_part(self, work: PartWork) -> int | None:
        """See WorkerLedger."""
        ...


class Metrics(Protocol):
    """What the story has counted; see PrometheusMetrics."""

    def records_read(self, count: int) -> None:
        """See PrometheusMetrics."""
        ...

    def part_worked_on(self, seconds: float) -> None:
        """See PrometheusMetrics."""
        ...

    def part_done(self, work: PartWork, tally: Tally, end: PartEnd) -> None:
        """See PrometheusMetrics."""
        ...

    def part_failed(self, end: PartEnd) -> None:
        """See PrometheusMetrics."""
        ...

    def part_cancelled(self, end: PartEnd) -> None:
        """See PrometheusMetrics."""
        ...

    def part_postponed(self) -> None:
        """See PrometheusMetrics."""
        ...


class ImportPart:
    """Imports parts; usable by all threads of a process at once."""

    def __init__(
        self,
        ledger: PartLedger,
        reader: PartReader,
        desk_for: Callable[[PartWork], AbstractContextManager[Desk]],
        metrics: Metrics,
        *,
        max_retries: int,
    ) -> None:
        """``max_retries`` is how often a part may be put off before it is given up."""
        self._ledger = ledger
        self._reader = reader
        self._desk_for = desk_for
        self._metrics = metrics
        self._max_retries = max_retries
        self._gate = Gate()

    def __call__(self, import_id: UUID, part: int) -> None:
        """Import a part unless that is done; raises PutOff if it has to be tried again."""
        try:
            if self._begin(import_id, part, alone=False):
                return
            log.warning("part came to no end before: it is imported alone")
            self._begin(import_id, part, alone=True)
        except IllegalMove as move:
            log.warning("part is in another's hands", reason=str(move))
        except UpstreamError as error:
            # Only the ledger's errors come here. Without it not even a failure can be told.
            raise _put_off(error) from None

    def _begin(self, import_id: UUID, part: int, *, alone: bool) -> bool:
        """Returns whether it could be done in this company."""
        with self._gate.alone() if alone else self._gate.among_others():
            started = self._ledger.start_part(import_id, part, alone=alone)
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

    def _attempt(self, work: PartWork) -> None:
        try:
            with self._desk_for(work) as desk:
                carrier = Carrier(work, desk)
                end = self._carry(work, carrier) or self._finish(desk, carrier.tally)
        except Transient as error:
            self._postpone(work, error)
        except Permanent as error:
            self._fail(work, _failure(error), error)
        except PartFailed as failure:
            self._fail(work, failure, failure)
        except Cancelled:
            self._cancelled(self._ledger.cancel_part(work))
        except Shutdown:
            self._hand_back(work)
            raise
        else:
            self._done(work, carrier.tally, end)

    def _carry(self, work: PartWork, carrier: Carrier) -> PartEnd | None:
        part = work.part
        pieces = self._reader.read(work.object, part.byte_start, part.byte_end)
        with self._timed(carrier), closing(pieces):
            carrier.carry(pieces)
            return carrier.finish()

    @contextmanager
    def _timed(self, carrier: Carrier) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self._metrics.part_worked_on(time.monotonic() - started)
            self._metrics.records_read(carrier.records_read)

    def _finish(self, desk: Desk, tally: Tally) -> PartEnd:
        try:
            return desk.finish(tally)
        except UpstreamError as error:
            raise _put_off(error) from None

    def _done(self, work: PartWork, tally: Tally, end: PartEnd) -> None:
        self._metrics.part_done(work, tally, end)
        log.info("part done", imported=tally.imported, rejected=tally.rejected.total())
        _tell_close(end)

    def _fail(self, work: PartWork, failure: PartFailed, cause: Exception) -> None:
        log.error("part failed", code=failure.code, reason=str(cause))
        self._failed(self._ledger.fail_part(work, failure.code, failure.detail))

    def _failed(self, end: PartEnd) -> None:
        self._metrics.part_failed(end)
        _tell_close(end)

    def _cancelled(self, end: PartEnd) -> None:
        self._metrics.part_cancelled(end)
        log.info("part stopped: its import is being cancelled")
        _tell_close(end)

    def _postpone(self, work: PartWork, error: Transient) -> None:
        retries = self._ledger.postpone_part(work)
        self._metrics.part_postponed()
        if retries is not None and retries > self._max_retries:
            detail = f"Storage or the database was away in each of {retries} tries."
            self._fail(work, PartFailed(_AWAY, detail), error)
            return
        log.warning("part put off", reason=error.detail, code=error.code, retries=retries)
        raise PutOff("something the part needs is away", error.retry_after)

    def _hand_back(self, work: PartWork) -> None:
        """Make the interrupted attempt not count, if that is possible now."""
        try:
            self._ledger.postpone_part(work)
        except UpstreamError as error:
            log.warning("part could not be handed back", reason=error.detail)
        else:
            self._metrics.part_postponed()


def _put_off(error: UpstreamError) -> PutOff:
    log.warning("ledger does not do its part", reason=error.detail, code=error.code)
    return PutOff.since(error, "the ledger is away")


def _failure(error: Permanent) -> PartFailed:
    """What a client may know of an error of Storage or the database."""
    if error.code == OBJECT_MISSING:
        return PartFailed(OBJECT_MISSING, _OBJECT_GONE)
    return PartFailed(
        f"{error.upstream}_refused",
        f"The {error.upstream} refused what the import needs ({error.code}); "
        "the operator has to look.",
    )


def _tell_close(end: PartEnd) -> None:
    if end.closed:
        log.info("import closed", state=end.state.value, seconds=end.seconds)
