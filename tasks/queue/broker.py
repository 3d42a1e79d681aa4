"""The broker: dramatiq-pg's queue, and what happens around each message."""

from typing import Final

from dramatiq.middleware import CurrentMessage, TimeLimit
from dramatiq_pg import PostgresBroker

from tasks.maintenance.schedule import SweepSchedule
from tasks.queue.connections import DeferredPool
from tasks.queue.consumer import Consumer
from tasks.queue.parent_watchdog import WatchedPrometheus
from tasks.queue.retries import BackingOffRetries
from tasks.worker import Runtime

_HOUR: Final = 3_600_000
_MIN_BACKOFF: Final = 1_000
_MAX_BACKOFF: Final = 60_000


class QueueBroker(PostgresBroker):  # type: ignore[misc]
    """dramatiq-pg's broker with our consumer."""

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 30_000) -> Consumer:
        """A consumer of one queue; ``timeout`` is in milliseconds."""
        return Consumer(pool=self.pool, queue_name=queue_name, prefetch=prefetch, timeout=timeout)


pool: Final = DeferredPool()
runtime: Final = Runtime(pool)
sweeper: Final = SweepSchedule(runtime.sweep)
# Before a message they come in this order, after it in the opposite one: whatever may interrupt a
# thread is switched off before Retries decides what becomes of the message.
broker: Final = QueueBroker(
    pool=pool,
    results=False,
    middleware=[
        runtime,
        sweeper,
        BackingOffRetries(  # type: ignore[no-untyped-call]
            max_retries=None, min_backoff=_MIN_BACKOFF, max_backoff=_MAX_BACKOFF
        ),
        TimeLimit(time_limit=_HOUR),
        CurrentMessage(),
        WatchedPrometheus(),  # type: ignore[no-untyped-call]
    ],
)
