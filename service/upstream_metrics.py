"""Metrics that are asked for when Prometheus asks: the queue, open imports, whether Supabase works.

All service processes show the same queue and imports, since they ask the same database.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeVar

import msgspec
import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.errors import UpstreamError
from core.monitoring import NAMESPACE
from core.supabase.errors import DATABASE, STORAGE
from service.repository import QueueStatistics

T = TypeVar("T")

FRESH_SECONDS: Final = 5.0
"""For how long an answer is shown again, whether the upstream was available or not."""
DEADLINE: Final = 2.0
"""Seconds after which an upstream without an answer counts as unavailable."""
_MARGIN: Final = 0.2
"""Seconds in which a deadline that has passed is noticed."""
_OPEN_STATES: Final = ("queued", "importing", "cancelling", "undoing", "undo_failed")

_log = structlog.stdlib.get_logger(__name__)


class UpstreamMetrics(Collector):
    """What the database and Storage have last answered; call ``refresh`` before a scrape.

    However many scrapes there are, each upstream is asked once in FRESH_SECONDS. While one is
    unavailable, the metrics that come from it are left out.
    """

    def __init__(
        self,
        ask_database: Callable[[], Awaitable[QueueStatistics]],
        check_storage: Callable[[], Awaitable[None]],
        *,
        deadline: float = DEADLINE,
    ) -> None:
        """Both raise UpstreamError."""
        self._ask_database = ask_database
        self._check_storage = check_storage
        self._deadline = deadline
        self._statistics: QueueStatistics | None = None
        self._is_up: dict[str, bool] = {}
        self._fresh_until = 0.0
        self._refreshing: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Ask both upstreams unless that was done just now; waits for the deadline at most."""
        if self._refreshing is None:
            if time.monotonic() < self._fresh_until:
                return
            self._refreshing = asyncio.create_task(self._refresh())
        # Neither waits for what a check cleans up after its deadline, nor cancels what other
        # scrapes wait for too.
        await asyncio.wait([self._refreshing], timeout=self._deadline + _MARGIN)

    async def _refresh(self) -> None:
        try:
            self._statistics, _ = await asyncio.gather(
                self._ask(DATABASE, self._ask_database), self._ask(STORAGE, self._check_storage)
            )
        finally:
            self._fresh_until = time.monotonic() + FRESH_SECONDS
            self._refreshing = None

    async def _ask(self, upstream: str, question: Callable[[], Awaitable[T]]) -> T | None:
        """Return the answer, None without one; note whether the upstream is available."""
        answer, reason = None, ""
        try:
            async with asyncio.timeout(self._deadline):
                answer = await question()
        except TimeoutError:
            reason = f"no answer within {self._deadline:g} seconds"
        except UpstreamError as error:
            reason = error.detail
        except msgspec.ValidationError:
            reason = "another answer than this version expects"
        if reason and self._is_up.get(upstream, True):
            _log.warning("upstream does not work", upstream=upstream, reason=reason)
        self._is_up[upstream] = not reason
        return answer

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Return all families, without samples."""
        yield from _families().values()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return what the upstreams have answered last."""
        families = _families()
        for upstream, is_up in self._is_up.items():
            families["upstream_up"].add_metric([upstream], is_up)
        if self._statistics is not None:
            _add_statistics(families, self._statistics)
        yield from (family for family in families.values() if family.samples)


def _families() -> dict[str, GaugeMetricFamily]:
    """Return the families without samples, by their names without the namespace."""
    return {
        name: GaugeMetricFamily(f"{NAMESPACE}_{name}", meaning, labels=labels)
        for name, meaning, *labels in (
            ("upstream_up", "Whether Storage and the database work, as in /readyz.", "upstream"),
            (
                "queue_messages",
                "Messages on the queue, up to 100,000 of each queue.",
                *("queue", "state"),
            ),
            (
                "queue_oldest_message_age_seconds",
                "How long the oldest message has waited for a worker; 0 if none waits.",
                "queue",
            ),
            ("open_imports", "Imports that have not ended, and undos that failed.", "state"),
            ("open_parts", "Parts of imports that are to be imported.", "state"),
            (
                "sweep_last_start_timestamp_seconds",
                "When the last sweep was begun; 0 if there was none.",
                "kind",
            ),
        )
    }


def _add_statistics(families: dict[str, GaugeMetricFamily], found: QueueStatistics) -> None:
    for name, queue in found.queues.items():
        for state in ("waiting", "running", "delayed"):
            families["queue_messages"].add_metric([name, state], getattr(queue, state))
        families["queue_oldest_message_age_seconds"].add_metric([name], queue.age)
    for state in _OPEN_STATES:
        families["open_imports"].add_metric([state], found.imports.get(state, 0))
    parts = found.parts
    families["open_parts"].add_metric(["queued"], parts.open - parts.importing)
    families["open_parts"].add_metric(["importing"], parts.importing)
    for kind, started in found.sweeps.items():
        families["sweep_last_start_timestamp_seconds"].add_metric([kind], started)
