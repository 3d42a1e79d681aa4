"""Works until the queue is empty, then ends: for cron jobs, CI and machines paid by the hour.

``sweep_once`` only sweeps.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import dramatiq
import psycopg2
import structlog
from dramatiq.common import dq_name

from core.errors import UpstreamError
from core.queue_messages import NOTIFY_IMPORT, QUEUES
from tasks.maintenance.retention import Expired
from tasks.queue.broker import broker, runtime, sweep_schedule
from tasks.queue.connections import connection_arguments

log = structlog.stdlib.get_logger(__name__)

EXIT_OK: Final = 0
EXIT_IMPORT_FAILED: Final = 1
EXIT_NO_DATABASE: Final = 3
EXIT_OPEN: Final = 4
_EXIT_SIGNAL: Final = 128

_POLL_SECONDS: Final = 0.1
_WORKER_TIMEOUT: Final = 100
"""Milliseconds after which a worker thread notices a stop; dramatiq's 1000 would be too long."""
_MAX_RESCUES: Final = 3
"""How often open imports without a message are queued again, before they are reported as open."""
_MAX_NOTIFY_DELAY: Final = 10
"""Seconds of delay for which a notification is still waited for."""
_QUEUES: Final = [*QUEUES, *map(dq_name, QUEUES)]
# A failed notification may be delayed for hours: then a later run tries it again.
_HAS_MESSAGES: Final = """
    select exists (
      select from dramatiq.queue
      where queue_name = any(%s) and state in ('queued', 'consumed')
        and not (
          message ->> 'actor_name' = %s
          and coalesce((message #>> '{options,eta}')::bigint, 0) / 1000
            > extract(epoch from clock_timestamp()) + %s)
    )
"""
_COUNT_OPEN: Final = """
    select count(*) from public.imports
    where state in ('queued', 'importing', 'cancelling', 'undoing')
"""
_COUNT_ENDED: Final = """
    select
      count(*) filter (where state = 'completed' and finished_at >= %(since)s),
      count(*) filter (where state = 'failed' and finished_at >= %(since)s),
      count(*) filter (
        where state = 'undo_failed' and (undo_failure ->> 'at')::timestamptz >= %(since)s)
    from public.imports
    where finished_at >= %(since)s or state = 'undo_failed'
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has happened since a run began, by the database's clock."""

    completed: int
    failed: int
    undos_failed: int
    open: int
    """Imports that no message on the queue will finish."""
    seconds: float


class Database:
    """Reads the queue and the imports; raises psycopg2.OperationalError if it is unavailable."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        """Connect, with psycopg2's arguments."""
        self._conn = psycopg2.connect(**arguments)
        self._conn.autocommit = True

    def now(self) -> datetime:
        """Return the time of the database's clock."""
        now: datetime = self._row("select clock_timestamp()")[0]
        return now

    def has_messages(self) -> bool:
        """Whether a message is queued, delayed or being processed, by any worker.

        Notifications that are delayed for long do not count.
        """
        return bool(self._row(_HAS_MESSAGES, (_QUEUES, NOTIFY_IMPORT, _MAX_NOTIFY_DELAY))[0])

    def outcome(self, since: datetime) -> Outcome:
        """Count the imports that have ended since then."""
        completed, failed, undos_failed = self._row(_COUNT_ENDED, {"since": since})
        seconds = (self.now() - since).total_seconds()
        return Outcome(completed, failed, undos_failed, self.open_imports(), seconds)

    def open_imports(self) -> int:
        """Count the imports that have not ended."""
        return int(self._row(_COUNT_OPEN)[0])

    def close(self) -> None:
        """Close the connection."""
        self._conn.close()

    def _row(self, query: str, parameters: Any = ()) -> tuple[Any, ...]:  # noqa: ANN401
        with self._conn.cursor() as cursor:
            cursor.execute(query, parameters)
            row: tuple[Any, ...] = cursor.fetchall()[0]
        return row


def run_once(threads: int) -> int:
    """Empty the queue with so many threads; returns the exit code for the process."""
    broker.emit_after("process_boot")
    try:
        with closing(Database(connection_arguments(runtime.settings))) as database:
            # Here and now, since nothing waits for the schedule's thread.
            sweep_schedule.run_sweep()
            return _empty_queue(database, threads)
    except psycopg2.OperationalError as error:
        log.error("database cannot be reached", reason=str(error).strip())  # noqa: TRY400
        return EXIT_NO_DATABASE


def sweep_once() -> int:
    """Do all sweeps, due or not; returns the exit code for the process."""
    broker.emit_after("process_boot")
    sweep = runtime.services.sweep
    try:
        queued, removed = sweep.queue_lost_imports(), sweep.remove_orphans()
        ended = sweep.end_abandoned_uploads()
        expired = sweep.retention.run()
    except UpstreamError as error:
        log.error("sweep interrupted", upstream=error.upstream, reason=error.detail)  # noqa: TRY400
        return EXIT_NO_DATABASE
    print(
        f"swept: {queued} lost imports queued again, {removed} objects without an import removed,"
        f" {ended} unfinished uploads ended"
    )
    if expired != Expired(0, 0, 0):
        print(
            f"expired: {expired.objects} objects, rejections of {expired.rejections} imports and "
            f"{expired.imports} imports removed"
        )
    return EXIT_OK


def _empty_queue(database: Database, threads: int) -> int:
    since = database.now()
    with _stop_signal() as stop:
        worker = dramatiq.Worker(broker, worker_threads=threads, worker_timeout=_WORKER_TIMEOUT)
        worker.start()
        try:
            _wait_until_empty(database, stop)
        finally:
            worker.stop()
            broker.close()
    return _report(database.outcome(since), stop)


def _wait_until_empty(database: Database, stop: "_Stop") -> None:
    """Wait until there is no message, and no import that has lost its message."""
    for rescues in range(_MAX_RESCUES + 1):
        while stop.signal is None and database.has_messages():
            time.sleep(_POLL_SECONDS)
        if stop.signal is not None or rescues == _MAX_RESCUES or not database.open_imports():
            return
        try:
            runtime.services.sweep.queue_lost_imports()
        except UpstreamError as error:
            log.warning(
                "sweep interrupted", upstream=error.upstream, reason=error.detail, code=error.code
            )


@dataclass(slots=True)
class _Stop:
    signal: int | None = None


@contextmanager
def _stop_signal() -> Iterator[_Stop]:
    """Note SIGINT and SIGTERM instead of being ended by them."""
    stop = _Stop()

    def note(number: int, _: object) -> None:
        stop.signal = number

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(outcome: Outcome, stop: _Stop) -> int:
    """Print what has happened; returns the exit code."""
    end = "queue is empty" if stop.signal is None else "stopped before the queue was empty"
    print(
        f"{end}: {outcome.completed} imports completed, {outcome.failed} failed, "
        f"in {outcome.seconds:.1f} s"
    )
    if outcome.undos_failed:
        print(f"{outcome.undos_failed} undos failed")
    if stop.signal is not None:
        return _EXIT_SIGNAL + stop.signal
    if outcome.open:
        print(f"{outcome.open} imports are still open, without a message: see the log")
        return EXIT_OPEN
    return EXIT_IMPORT_FAILED if outcome.failed or outcome.undos_failed else EXIT_OK
