"""Spans, as an exporter gets them, and what becomes of those that cannot be sent."""

import threading

import pytest
import structlog
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from config.open_telemetry import OpenTelemetry, _ReportingExporter
from config.settings import Settings
from config.tracing import NO_TRACES, start_traces

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{CALLER}-01"
BASE, WHOLE = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


class Spans:
    """Traces whose spans are kept."""

    def __init__(self):
        self.exporter = InMemorySpanExporter()
        self.traces = OpenTelemetry(self.exporter, "service")

    def ended(self):
        self.traces.close(60)
        return {span.name: span for span in self.exporter.get_finished_spans()}


def settings(**variables):
    needed = {
        "supabase_url": "http://h",
        "supabase_service_role_key": "k",
        "database_url": "postgresql://u@h/db",
    }
    return Settings(**needed, **{name.lower(): value for name, value in variables.items()})


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, None),
        ({BASE: "http://c:4318"}, "http://c:4318/v1/traces"),
        ({BASE: "http://c:4318/otlp/"}, "http://c:4318/otlp/v1/traces"),
        ({WHOLE: "https://c/own/"}, "https://c/own/"),
        ({BASE: "http://c:4318", WHOLE: "https://c/own"}, "https://c/own"),
        ({BASE: "http://c:4318", "OTEL_SDK_DISABLED": "true"}, None),
    ],
)
def test_traces_are_on_where_a_collector_is_named(variables, url):
    assert settings(**variables).traces_url == url


def test_without_a_collector_all_methods_do_nothing():
    traces = start_traces(settings(), "web")
    assert traces is NO_TRACES
    with traces.span("one", parent=PARENT), traces.span("two"):
        traces.annotate({"key": 1})
        traces.fail("reason")
        assert traces.traceparent() is None
        assert structlog.contextvars.get_contextvars() == {}
    traces.close(0)


def test_what_authorises_at_a_collector_is_secret():
    secrets = settings(
        otel_exporter_otlp_headers="api-key=abc%20def,tenant=t1",
        otel_exporter_otlp_endpoint="https://u:pass@c/v1?token=xyz",
    ).secrets()
    assert {"abc%20def", "abc def", "pass", "token=xyz"} <= secrets


def test_a_span_continues_its_parent_and_has_children():
    spans = Spans()
    traces = spans.traces
    with traces.span("request", kind="server", parent=PARENT, start=5, attributes={"a": "b"}):
        assert structlog.contextvars.get_contextvars() == {"trace_id": TRACE}
        with traces.span("create"):
            traces.annotate({"parts": 2})
            message = traces.traceparent()
    assert structlog.contextvars.get_contextvars() == {}
    assert traces.traceparent() is None
    with traces.span("part", parent=message):
        pass

    ended = spans.ended()
    request, create, part = ended["request"], ended["create"], ended["part"]
    assert {f"{span.context.trace_id:032x}" for span in ended.values()} == {TRACE}
    assert f"{request.parent.span_id:016x}" == CALLER
    assert create.parent.span_id == request.context.span_id
    assert part.parent.span_id == create.context.span_id
    assert (request.start_time, request.kind.name) == (5, "SERVER")
    assert (request.attributes, create.attributes) == ({"a": "b"}, {"parts": 2})
    assert request.resource.attributes["service.name"] == "service"


@pytest.mark.parametrize(
    "parent",
    [
        "", "x" * 10_000, PARENT.replace("4bf9", "4BFX"), f"00-{'0' * 32}-{CALLER}-01",
        f"{PARENT}-more", PARENT[:-3], PARENT.replace("00-4", "ff-4"),
    ],
)  # fmt: skip
def test_an_invalid_parent_is_ignored(parent):
    spans = Spans()
    with spans.traces.span("request", parent=parent):
        pass
    assert spans.ended()["request"].parent is None


def test_a_parent_that_is_not_sampled_stays_so_but_has_its_id_in_the_log():
    spans = Spans()
    with spans.traces.span("request", parent=PARENT[:-1] + "0"):
        assert structlog.contextvars.get_contextvars() == {"trace_id": TRACE}
        assert str(spans.traces.traceparent()).startswith(f"00-{TRACE}-")
        spans.traces.annotate({"key": 1})
        spans.traces.fail("reason")
    assert spans.ended() == {}


class CodedError(Exception):
    code = "object_missing"


def test_an_error_is_a_status_without_the_text_of_the_exception():
    spans = Spans()
    traces = spans.traces
    for name, error, expected in [
        ("coded", CodedError("grace@example.com"), ()),
        ("other", ValueError("grace@example.com"), ()),
        ("expected", ValueError("grace@example.com"), (ValueError,)),
    ]:
        with pytest.raises(type(error)), traces.span(name, expected=expected):
            raise error

    def fail_twice():
        traces.fail("first")
        raise ValueError("second")

    with pytest.raises(ValueError, match="second"), traces.span("failed"):
        fail_twice()

    ended = spans.ended()
    reasons = {name: span.status.description for name, span in ended.items()}
    assert reasons == {
        "coded": "object_missing", "other": "ValueError", "expected": None, "failed": "first",
    }  # fmt: skip
    assert all(span.events == () for span in ended.values())


def test_the_name_of_the_service_can_be_chosen(monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "chosen")
    spans = Spans()
    with spans.traces.span("request"):
        pass
    assert spans.ended()["request"].resource.attributes["service.name"] == "chosen"


class StuckExporter(SpanExporter):
    """Sends until it is allowed to end."""

    def __init__(self):
        self.begun, self.may_end = threading.Event(), threading.Event()

    def export(self, spans):
        self.begun.set()
        assert self.may_end.wait(60)
        return SpanExportResult.SUCCESS


def test_a_collector_that_does_not_answer_is_not_waited_for():
    exporter = StuckExporter()
    traces = OpenTelemetry(exporter, "service")
    with traces.span("request"):
        pass
    with structlog.testing.capture_logs() as lines:
        traces.close(0.01)
        assert [(line["log_level"], line["reason"]) for line in lines] == [
            ("warning", "the collector does not answer")
        ]
        assert exporter.begun.wait(60)
        exporter.may_end.set()
        # Otherwise it would log among the lines of the next test.
        for thread in threading.enumerate():
            if thread.name == "traces-end":
                thread.join(60)
    assert [line["event"] for line in lines[1:]] == ["traces are sent again"]


def test_a_collector_that_cannot_be_reached_is_a_warning_with_the_reason(monkeypatch):
    # Long enough for a second try, which the exporter makes after a second.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1.5")
    with structlog.testing.capture_logs() as lines:
        traces = OpenTelemetry.to_collector("http://u:secret@127.0.0.1:9/v1/traces", "service")
        with traces.span("request"):
            pass
        traces.close(60)
    on, warning = lines
    assert on["collector"] == "127.0.0.1:9"
    assert warning["log_level"] == "warning"
    assert "Connection refused" in warning["reason"]
    assert "secret" not in repr(lines)


def test_the_end_of_a_failure_is_logged_once():
    class Exporter(InMemorySpanExporter):
        results = [SpanExportResult.FAILURE, *[SpanExportResult.SUCCESS] * 2] * 2

        def export(self, spans):
            return self.results.pop(0)

    exporter = _ReportingExporter(Exporter())
    with structlog.testing.capture_logs() as lines:
        for _ in range(6):
            exporter.export([])
    assert [line["log_level"] for line in lines] == ["warning", "info"] * 2
