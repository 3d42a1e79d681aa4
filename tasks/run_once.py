"""Works until the queue is empty, then ends: for cron jobs, CI, machines paid by the hour.

``sweep_now`` only looks for what a crash has left behind.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import dramatiq
import psycopg2
import structlog
from dramatiq.common import dq_name

from core.errors import UpstreamError
from core.messages import NOTIFY_IMPORT, QUEUE
from tasks.queue.broker import broker, runtime, sweeper
from tasks.queue.connections import connection_arguments

log = structlog.stdlib.get_logger(__name__)

EXIT_OK: Final = 0
EXIT_IMPORT_FAILED: Final = 1
EXIT_NO_DATABASE: Final = 3
EXIT_OPEN: Final = 4
_EXIT_SIGNAL: Final = 128

_POLL_SECONDS: Final = 0.1
_NOTICE_MILLISECONDS: Final = 100
"""How often the worker's threads look whether they shall end; dramatiq's second is for ever."""
_SOON: Final = 10
"""Seconds that a delayed webhook is waited for."""
_QUEUES: Final = [QUEUE, dq_name(QUEUE)]
# A webhook that was tried in vain may wait for hours: then a later run tries it again.
_LEFT: Final = """
    select exists (
      select from dramatiq.queue
      where queue_name = any(%s) and state in ('queued', 'consumed')
        and not (
          message ->> 'actor_name' = %s
          and coalesce((message #>> '{options,eta}')::bigint, 0) / 1000
            > extract(epoch from clock_timestamp()) + %s)
    )
"""
_OPEN: Final = """
    select count(*) from public.imports
    where state in ('queued', 'importing', 'cancelling', 'undoing')
"""
_ENDED: Final = """
    select
      count(*) filter (where state = 'completed' and finished_at >= %(since)s),
      count(*) filter (where state = 'failed' and finished_at >= %(since)s),
      count(*) filter (
        where state = 'undo_failed' and (undo_failure ->> 'at')::timestamptz >= %(since)s)
    from public.imports
    where finished_at >= %(since)s or state = 'undo_failed'
"""
_LOOKS: Final = 3
"""So often open imports without a message are queued again before they are reported as open."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has happened between two moments of the database's clock."""

    completed: int
    failed: int
    undos_failed: int
    open: int
    """Imports that nothing on the queue will end."""
    seconds: float


class Database:
    """Looks at the queue and the imports."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        """``arguments`` are psycopg2's; raises psycopg2.OperationalError if nobody is there."""
        self._conn = psycopg2.connect(**arguments)
        self._conn.autocommit = True

    def now(self) -> datetime:
        """The time by the database's clock."""
        moment: datetime = self._row("select clock_timestamp()")[0]
        return moment

    def has_messages(self) -> bool:
        """Whether a message waits, is delayed, or is being worked on, here or elsewhere.

        Webhooks that are delayed for long do not count.
        """
        return bool(self._row(_LEFT, (_QUEUES, NOTIFY_IMPORT, _SOON))[0])

    def outcome(self, since: datetime) -> Outcome:
        """The imports that ended since then."""
        completed, failed, undos_failed = self._row(_ENDED, {"since": since})
        seconds = (self.now() - since).total_seconds()
        return Outcome(completed, failed, undos_failed, self.open_imports(), seconds)

    def open_imports(self) -> int:
        """The number of imports that have not ended."""
        return int(self._row(_OPEN)[0])

    def close(self) -> None:
        """Close the connection."""
        self._conn.close()

    def _row(self, query: str, parameters: Any = ()) -> tuple[Any, ...]:  # noqa: ANN401
        with self._conn.cursor() as cursor:
            cursor.execute(query, parameters)
            row: tuple[Any, ...] = cursor.fetchall()[0]
        return row


def run_once(threads: int) -> int:
    """Drain the queue with so many threads; returns the exit code for the process."""
    broker.emit_after("process_boot")
    try:
        database = Database(connection_arguments(runtime.settings))
        try:
            # Before the work, since nothing waits for the sweeper's thread.
            sweeper.sweep()
            return _drain(database, threads)
        finally:
            database.close()
    except psycopg2.OperationalError as error:
        log.error("database cannot be reached", reason=str(error).strip())  # noqa: TRY400
        return EXIT_NO_DATABASE


def sweep_now() -> int:
    """Sweep all there is, whosever turn it is; returns the exit code for the process."""
    broker.emit_after("process_boot")
    sweep = runtime.services.sweep
    try:
        queued, removed = sweep.queue_lost(), sweep.remove_orphans()
    except UpstreamError as error:
        log.error("sweep broke off", upstream=error.upstream, reason=error.detail)  # noqa: TRY400
        return EXIT_NO_DATABASE
    print(f"swept: {queued} lost imports queued again, {removed} objects without an import removed")
    return EXIT_OK


def _drain(database: Database, threads: int) -> int:
    since = database.now()
    with _stop_signal() as stop:
        worker = dramatiq.Worker(
            broker, worker_threads=threads, worker_timeout=_NOTICE_MILLISECONDS
        )
        worker.start()
        try:
            _work(database, stop)
        finally:
            worker.stop()
            broker.close()
    return _report(database.outcome(since), stop)


def _work(database: Database, stop: "_Stop") -> None:
    """Wait until nothing is left to do: no message, and no import that has lost its message."""
    for look in range(_LOOKS + 1):
        while stop.signal is None and database.has_messages():
            time.sleep(_POLL_SECONDS)
        if stop.signal is not None or look == _LOOKS or not database.open_imports():
            return
        try:
            runtime.services.sweep.queue_lost()
        except UpstreamError as error:
            log.warning(
                "sweep broke off", upstream=error.upstream, reason=error.detail, code=error.code
            )


@dataclass(slots=True)
class _Stop:
    signal: int | None = None


@contextmanager
def _stop_signal() -> Iterator[_Stop]:
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
