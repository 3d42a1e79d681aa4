"""Metrics of the service. No label has values that a client chooses."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from service.intake.media_types import MULTIPART, kind_of_type

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class ServiceMetrics:
    """The metrics of one service process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.accepted = Counter(
            "imports_accepted", "Imports accepted.", ["format"], registry=self.registry
        )
        self.repeated = Counter(
            "imports_repeated",
            "Requests answered with the import of an earlier one with the same Idempotency-Key.",
            registry=self.registry,
        )
        self.rejected = Counter(
            "imports_refused",
            "Requests for an import that were rejected, by kind of body and problem code.",
            ["format", "code"],
            registry=self.registry,
        )
        self.previews = Counter(
            "imports_previewed", "Previews made.", ["format"], registry=self.registry
        )
        self.received = Counter(
            "import_received_bytes", "Bytes of request bodies received.", registry=self.registry
        )
        self.in_flight = Gauge(
            "import_uploads_in_flight", "Uploads in progress.", registry=self.registry
        )
        self.moves = Counter(
            "imports_moved",
            "Retries, cancellations and undos that were accepted.",
            ["move"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "import_upload_seconds",
            "Seconds from the head of a request until 202.",
            buckets=_SECONDS,
            registry=self.registry,
        )

    def count_rejected(self, content_type: str, code: str) -> None:
        """Count a request for an import that was rejected with this problem code."""
        kind = kind_of_type(content_type)
        if kind is not None:
            label = kind.format.value
        else:
            label = "multipart" if content_type == MULTIPART else "other"
        self.rejected.labels(format=label, code=code).inc()

    @contextmanager
    def upload(self) -> Iterator[None]:
        """Count an upload while it runs, and record its duration if it succeeds."""
        with self.in_flight.track_inprogress():
            start = time.perf_counter()
            yield
            self.seconds.observe(time.perf_counter() - start)
