"""What the service counts. No label has values that a client chooses."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from service.intake.request import CSV, JSON, MULTIPART, NDJSON, kind_of

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)

_FORMATS = {JSON: "json", CSV: "csv", NDJSON: "ndjson", MULTIPART: "multipart"}
"""What a body is, before it is known what is in it; all else is "other"."""


class ServiceMetrics:
    """The counters of one service process, with a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.accepted = Counter(
            "imports_accepted", "Imports accepted.", ["format"], registry=self.registry
        )
        self.repeated = Counter(
            "imports_repeated",
            "Requests answered with the import of an earlier one of the same Idempotency-Key.",
            registry=self.registry,
        )
        self.refused = Counter(
            "imports_refused",
            "Requests for an import that were refused, by what was sent and problem code.",
            ["format", "code"],
            registry=self.registry,
        )
        self.received = Counter(
            "import_received_bytes", "Bytes of bodies and files read.", registry=self.registry
        )
        self.in_flight = Gauge(
            "import_uploads_in_flight", "Uploads that are coming in.", registry=self.registry
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

    def refuse(self, content_type: str, code: str) -> None:
        """Count a request for an import that was refused with this problem code."""
        sent = _FORMATS.get(kind_of(content_type) or content_type, "other")
        self.refused.labels(format=sent, code=code).inc()

    @contextmanager
    def upload(self) -> Iterator[None]:
        """Count one upload; its time only if it comes to a good end."""
        with self.in_flight.track_inprogress():
            start = time.perf_counter()
            yield
            self.seconds.observe(time.perf_counter() - start)
