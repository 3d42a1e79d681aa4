"""The broker: dramatiq-pg's queue, and the middleware around each message."""

from typing import Final

from dramatiq.middleware import CurrentMessage, TimeLimit
from dramatiq_pg import PostgresBroker

from tasks.maintenance.schedule import SweepSchedule
from tasks.queue.connections import DeferredPool
from tasks.queue.consumer import Consumer
from tasks.queue.lanes import Lanes
from tasks.queue.message_metrics import MessageMetrics
from tasks.queue.message_retries import BackingOffRetries
from tasks.worker import Runtime

_TIME_LIMIT: Final = 3_600_000
_MIN_BACKOFF: Final = 1_000
_MAX_BACKOFF: Final = 60_000
"""All in milliseconds."""


class QueueBroker(PostgresBroker):  # type: ignore[misc]
    """dramatiq-pg's broker with our consumer."""

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 30_000) -> Consumer:
        """Return a consumer of one queue; ``timeout`` is in milliseconds."""
        return Consumer(pool=self.pool, queue_name=queue_name, prefetch=prefetch, timeout=timeout)


pool: Final = DeferredPool()
runtime: Final = Runtime(pool)
sweep_schedule: Final = SweepSchedule(runtime.sweep)
# dramatiq calls them in this order before a message, and in reverse after it: TimeLimit, which
# interrupts threads, is off when Retries decides what happens to the message.
broker: Final = QueueBroker(
    pool=pool,
    results=False,
    middleware=[
        runtime,
        Lanes(),
        sweep_schedule,
        BackingOffRetries(  # type: ignore[no-untyped-call]
            max_retries=None, min_backoff=_MIN_BACKOFF, max_backoff=_MAX_BACKOFF
        ),
        TimeLimit(time_limit=_TIME_LIMIT),
        CurrentMessage(),
        MessageMetrics(),
    ],
)
