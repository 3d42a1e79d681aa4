"""Metrics of the service. No label has values that a client chooses."""

from collections.abc import Callable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from core.monitoring import NAMESPACE, BuildInfo
from core.supabase.errors import DATABASE, STORAGE
from service.intake.media_types import MULTIPART, kind_of_type
from service.problem_types import PROBLEM_TYPES

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Metrics and traces name no other one, since a client may have made it up."""


class ServiceMetrics:
    """The metrics of one service process, in a registry of their own."""

    def __init__(self) -> None:
        # For the whole process: otherwise each counter has a second series, which says when it was
        # made.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.registry.register(BuildInfo())
        self.accepted = self._counter("imports_accepted", "Imports accepted.", "format")
        self.repeated = self._counter(
            "imports_repeated",
            "Requests answered with the import of an earlier one with the same Idempotency-Key.",
        )
        self.rejected = self._counter(
            "imports_refused",
            "Requests for an import that were rejected, by kind of body and problem code.",
            *("format", "code"),
        )
        self.previews = self._counter("imports_previewed", "Previews made.", "format")
        self.transitions = self._counter(
            "transitions_accepted", "Retries, cancellations and undos accepted.", "transition"
        )
        self.received = self._counter("upload_received_bytes", "Bytes of request bodies received.")
        self._uploads = self._gauge("uploads_in_flight", "Uploads in progress.")
        self._upload_places = self._gauge("uploads_limit", "Uploads that may be in progress.")
        self._retries = self._counter(
            "upstream_retries", "Calls of Storage or the database that were repeated.", "upstream"
        )
        self._problems = self._counter(
            "problems", "Requests that ended with a problem, by its code.", "code"
        )
        self._requests = Histogram(
            "http_request_duration_seconds",
            "Seconds from the head of a request to its answer, with the upload of its body.",
            ["method", "route", "status"],
            namespace=NAMESPACE,
            buckets=_SECONDS,
            registry=self.registry,
        )
        # Labels exist from the start, so that a rate can be computed from the first increase.
        for upstream in (STORAGE, DATABASE):
            self._retries.labels(upstream)
        for code, kind in PROBLEM_TYPES.items():
            if kind.status >= 500:
                self._problems.labels(code)

    def watch_uploads(self, running: Callable[[], int], limit: int) -> None:
        """Show how many uploads run, of at most ``limit``."""
        self._uploads.set_function(running)
        self._upload_places.set(limit)

    def count_rejected(self, content_type: str, code: str) -> None:
        """Count a request for an import that was rejected with this problem code."""
        kind = kind_of_type(content_type)
        if kind is not None:
            label = kind.format.value
        else:
            label = "multipart" if content_type == MULTIPART else "other"
        self.rejected.labels(format=label, code=code).inc()

    def count_problem(self, code: str) -> None:
        """Count a request, whatever it asked for, that was answered with this problem code."""
        self._problems.labels(code).inc()

    def count_retry(self, upstream: str) -> None:
        """Count a call that is repeated, since the upstream was unavailable."""
        self._retries.labels(upstream).inc()

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Record a request that was answered; ``route`` is the template of its path."""
        known = method if method in KNOWN_METHODS else "other"
        self._requests.labels(known, route, str(status)).observe(seconds)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, namespace=NAMESPACE, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, namespace=NAMESPACE, registry=self.registry)
