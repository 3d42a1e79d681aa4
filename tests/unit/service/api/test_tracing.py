"""Which requests have a span, and what it says."""

import pytest
from aiohttp import web
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from config.open_telemetry import OpenTelemetry
from service.api.tracing import tracing_middleware

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
async def ask(aiohttp_client):
    exporter = InMemorySpanExporter()
    traces = OpenTelemetry(exporter, "web")

    async def answer(request):
        return web.Response(status=int(request.match_info.get("status", 200)))

    app = web.Application(middlewares=[tracing_middleware(traces)])
    for path in ("/healthz", "/readyz", "/metrics", "/import/{status}"):
        app.router.add_get(path, answer)
    client = await aiohttp_client(app)

    async def of_request(path, method="GET", headers=()):
        response = await client.request(method, path, headers=headers)
        await response.read()
        assert traces._provider.force_flush()
        spans = exporter.get_finished_spans()
        exporter.clear()
        return spans

    yield of_request
    traces.close(60)


async def test_a_span_has_the_route_and_never_the_address(ask):
    [span] = await ask("/import/202?source=private", headers={"traceparent": PARENT})
    assert span.name == "GET /import/{status}"
    assert f"{span.parent.span_id:016x}" in PARENT
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/import/{status}",
        "http.response.status_code": 202,
    }


@pytest.mark.parametrize(("status", "reason"), [("404", None), ("503", "503")])
async def test_only_failures_of_the_service_are_errors(ask, status, reason):
    [span] = await ask(f"/import/{status}")
    assert span.status.description == reason


async def test_a_header_that_is_sent_twice_is_ignored(ask):
    [span] = await ask("/import/200", headers=[("traceparent", PARENT), ("traceparent", PARENT)])
    assert span.parent is None


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_monitoring_has_no_spans(ask, path):
    assert await ask(path) == ()


@pytest.mark.parametrize(("method", "shown"), [("DELETE", "DELETE"), ("PROPFIND", "_OTHER")])
async def test_a_request_without_a_route_has_no_text_of_the_client(ask, method, shown):
    [span] = await ask("/private", method)
    assert (span.name, span.attributes["http.request.method"]) == (shown, shown)
    assert "private" not in repr(dict(span.attributes)).lower()
