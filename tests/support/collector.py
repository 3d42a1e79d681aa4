"""A collector of traces: receives them with OTLP over HTTP, and decodes them."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status


@dataclass(frozen=True)
class Span:
    """A span as it arrived; ids are hexadecimal."""

    service: str
    name: str
    trace_id: str
    id: str
    parent_id: str
    attributes: dict[str, str | int]
    error: str | None
    """Reason, if its status is an error."""
    events: int


class Collector:
    """Keeps the spans that it accepts; answers with ``status``."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.batches: list[list[Span]] = []
        """All that were received, also those that were not accepted."""
        self._spans: list[Span] = []
        self._changed = threading.Condition()

    def spans(
        self, trace_id: str, is_complete: Callable[[list[Span]], bool], seconds: float = 60
    ) -> list[Span]:
        """Return the accepted spans of a trace, once they are complete."""

        def of_trace() -> list[Span]:
            return [span for span in self._spans if span.trace_id == trace_id]

        with self._changed:
            assert self._changed.wait_for(lambda: is_complete(of_trace()), seconds), of_trace()
            return of_trace()

    def await_batches(self, count: int, seconds: float = 60) -> None:
        """Wait until so many requests have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.batches) >= count, seconds)

    @contextlib.contextmanager
    def running(self) -> Iterator["Collector"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _receive(self, body: bytes) -> int:
        spans = _decoded(body)
        with self._changed:
            self.batches.append(spans)
            if self.status == 200:
                self._spans += spans
            self._changed.notify_all()
            return self.status

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_known = self.path == "/v1/traces"
                self.send_response(collector._receive(body) if is_known else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def _decoded(body: bytes) -> list[Span]:
    return [
        Span(
            service=_attributes(resource.resource.attributes)["service.name"],
            name=span.name,
            trace_id=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            attributes=_attributes(span.attributes),
            error=span.status.message if span.status.code == Status.STATUS_CODE_ERROR else None,
            events=len(span.events),
        )
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
