"""Requests are measured by the template of their path, never by what a client chooses."""

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from service.api.request_times import timed
from service.metrics import ServiceMetrics

SECONDS = "contacts_importer_http_request_duration_seconds_count"


@pytest.fixture
def metrics() -> ServiceMetrics:
    return ServiceMetrics()


@pytest.fixture
async def client(aiohttp_client: Any, metrics: ServiceMetrics) -> TestClient:
    async def show(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]))

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=413)

    app = web.Application()
    app.router.add_get(r"/import/{status:\d+}", show)
    app.router.add_post("/import", show, expect_handler=refuse)
    handle = timed(app._handle, metrics)
    app._handle = handle  # type: ignore[method-assign]
    return await aiohttp_client(app)


@pytest.mark.parametrize(
    ("method", "path", "headers", "labels"),
    [
        ("GET", "/import/204", {}, ("GET", "/import/{status}", "204")),
        ("HEAD", "/import/200", {}, ("HEAD", "/import/{status}", "200")),
        ("GET", "/import/x", {}, ("GET", "unmatched", "404")),
        ("PUT", "/import/200", {}, ("PUT", "unmatched", "405")),
        ("PROPFIND", "/secret", {}, ("other", "unmatched", "404")),
        ("POST", "/import", {"Expect": "100-continue"}, ("POST", "/import", "413")),
    ],
)
async def test_a_request_is_measured_once(client, metrics, method, path, headers, labels):
    await client.request(method, path, headers=headers)
    named = dict(zip(("method", "route", "status"), labels, strict=True))
    assert metrics.registry.get_sample_value(SECONDS, named) == 1
    assert b"secret" not in metrics.render().lower()
