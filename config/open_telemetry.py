"""Traces by OpenTelemetry's packages, sent to a collector with OTLP over HTTP.

Import this only where traces are on. The packages read further ``OTEL_...`` variables by
themselves, such as those for sampling, batches and certificates.

A thread sends spans in batches. A collector that is unavailable slows nothing: spans wait in a
queue of limited size and are then dropped.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Self
from urllib.parse import urlsplit

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from config.tracing import Attributes, Exceptions, SpanKind, Traces

_TRACEPARENT: Final = "traceparent"
_LONGEST_TRACEPARENT: Final = 256
"""Characters; version 00 has 55, and later ones may have more."""
_REPEATING_LOGGERS: Final = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")
"""They log each batch that fails, and each span that is dropped."""
_LONGEST_REASON: Final = 300

log = structlog.stdlib.get_logger(__name__)


class OpenTelemetry(Traces):
    """Makes spans and sends them."""

    def __init__(self, exporter: SpanExporter, service_name: str) -> None:
        """``service_name`` is overridden by ``OTEL_SERVICE_NAME``."""
        named = OTELResourceDetector().detect().attributes
        self._provider = TracerProvider(
            resource=Resource.create({SERVICE_NAME: service_name, **named}),
            shutdown_on_exit=False,
        )
        self._exporter = _ReportingExporter(exporter)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("contacts-importer")
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def to_collector(cls, url: str, service_name: str) -> Self:
        """Return what sends spans to this address."""
        traces = cls(OTLPSpanExporter(endpoint=url), service_name)
        log.info("traces are on", collector=urlsplit(url).netloc.rpartition("@")[2])
        return traces

    @contextmanager
    def span(  # noqa: PLR0913 -- as in Traces
        self,
        name: str,
        *,
        kind: SpanKind = "internal",
        parent: str | None = None,
        start: int | None = None,
        attributes: Attributes | None = None,
        expected: Exceptions = (),
    ) -> Iterator[None]:
        """Make a span of what runs in this context."""
        span = self._tracer.start_span(
            name,
            self._context_of(parent),
            trace.SpanKind[kind.upper()],
            attributes,
            start_time=start,
        )
        trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        with (
            structlog.contextvars.bound_contextvars(trace_id=trace_id),
            # The messages and tracebacks of exceptions may have data of clients.
            trace.use_span(
                span, end_on_exit=True, record_exception=False, set_status_on_exception=False
            ),
        ):
            try:
                yield
            except expected:
                raise
            except BaseException as error:
                _fail(span, _reason(error))
                raise

    def annotate(self, attributes: Attributes) -> None:
        """Add attributes to the span that runs."""
        trace.get_current_span().set_attributes(attributes)

    def fail(self, reason: str) -> None:
        """Make the span that runs an error."""
        _fail(trace.get_current_span(), reason)

    def traceparent(self) -> str | None:
        """Return the ``traceparent`` of the span that runs."""
        headers: dict[str, str] = {}
        self._propagator.inject(headers)
        return headers.get(_TRACEPARENT)

    def close(self, seconds: float) -> None:
        """Send what was not sent yet; a collector that does not answer is not waited for."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces-end", daemon=True)
        closing.start()
        closing.join(seconds)
        if closing.is_alive():
            self._exporter.report_failure()

    def _context_of(self, parent: str | None) -> Context | None:
        """Return the context that has ``parent`` as its span; None for the current context."""
        if parent is None:
            return None
        if len(parent) > _LONGEST_TRACEPARENT:
            return Context()
        return self._propagator.extract({_TRACEPARENT: parent}, Context())


def _fail(span: trace.Span, reason: str) -> None:
    """Set the status of a span that has none yet."""
    if isinstance(span, ReadableSpan) and span.status.is_unset:
        span.set_status(trace.StatusCode.ERROR, reason)


def _reason(error: BaseException) -> str:
    """Return the code of an error of ours or of Supabase, else its class: it has no client data."""
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else type(error).__name__


class _FirstMessage(logging.Handler):
    """Keeps the first message that is logged in a time, instead of logging any."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._text: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message unless there is one."""
        if self._text is None:
            self._text = record.getMessage()[:_LONGEST_REASON]

    def take(self) -> str | None:
        """Return the message, and forget it."""
        text, self._text = self._text, None
        return text


class _ReportingExporter(SpanExporter):
    """Logs once that batches fail, and once that they do not any more.

    The packages would log each batch, and repeat the texts of exceptions.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._is_failing = False
        self._message = _FirstMessage()
        for name in _REPEATING_LOGGERS:
            logger = logging.getLogger(name)
            logger.handlers[:] = [self._message]
            logger.propagate = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        self._message.take()
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.report_failure()
        elif self._is_failing:
            self._is_failing = False
            log.info("traces are sent again")
        return result

    def report_failure(self) -> None:
        """Log that spans are lost, unless it was logged since the last batch that succeeded."""
        if not self._is_failing:
            self._is_failing = True
            reason = self._message.take() or "the collector does not answer"
            log.warning("traces cannot be sent, and are dropped", reason=reason)

    def shutdown(self) -> None:
        """Give up the batch that is being sent, and close the connection."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return at once, since nothing waits here."""
        return self._exporter.force_flush(timeout_millis)
