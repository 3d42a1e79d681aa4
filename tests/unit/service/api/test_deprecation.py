"""Deprecated operations: announced in each response and in the OpenAPI document."""

import dataclasses
from datetime import UTC, datetime

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.api.deprecation import announce, announce_expectation, deprecation_headers
from service.api.middleware import problems_middleware
from service.api.openapi.elements import Operation, answer
from service.api.operations import OPERATIONS
from service.api.response_headers import add_headers
from service.metrics import ServiceMetrics
from service.problems import ProblemError

SINCE = datetime(2027, 3, 1, tzinfo=UTC)
OLD = Operation(
    method="POST",
    path="/old",
    id="oldOperation",
    tag="Old",
    scope=None,
    summary="Do it the old way",
    description="Use another operation instead.",
    answers={"200": answer("Done.")},
    deprecated_since=SINCE,
    sunset=datetime(2028, 3, 1, 12, tzinfo=UTC),
)
LINK = '</docs#/operations/oldOperation>; rel="deprecation"; type="text/html"'


async def old(request: web.Request) -> web.StreamResponse:
    if "fail" in request.query:
        raise ProblemError("not_found", "No.")
    return web.Response(headers={"Link": '</old?cursor=1>; rel="next"'})


async def refuse(_: web.Request) -> web.StreamResponse | None:
    return ProblemError("expectation_failed", "No.").response()


async def new(_: web.Request) -> web.StreamResponse:
    return web.Response()


@pytest.fixture
async def client():
    app = web.Application(middlewares=[problems_middleware(ServiceMetrics(), {"*"})])
    app.on_response_prepare.append(add_headers)
    headers = deprecation_headers(OLD)
    app.router.add_post(
        "/old", announce(old, headers), expect_handler=announce_expectation(refuse, headers)
    )
    app.router.add_post("/new", new)
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.parametrize(
    ("query", "expect", "status"), [("", {}, 200), ("?fail", {}, 404), ("", {"Expect": "x"}, 417)]
)
async def test_each_response_announces_the_deprecation(client, query, expect, status):
    response = await client.post(f"/old{query}", headers=expect)
    assert response.status == status
    assert response.headers["Deprecation"] == f"@{int(SINCE.timestamp())}" == "@1803859200"
    assert response.headers["Sunset"] == "Wed, 01 Mar 2028 12:00:00 GMT"
    assert LINK in response.headers.getall("Link")


async def test_other_links_stay(client):
    response = await client.post("/old")
    links = httpx.Headers([("Link", link) for link in response.headers.getall("Link")])
    parsed = httpx.Response(200, headers=links).links
    assert {name: link["url"] for name, link in parsed.items()} == {
        "next": "/old?cursor=1",
        "deprecation": "/docs#/operations/oldOperation",
    }


async def test_other_operations_announce_nothing(client):
    response = await client.post("/new")
    assert not {"Deprecation", "Sunset", "Link"} & set(response.headers)


def test_without_a_sunset_there_is_no_such_header():
    kept = dataclasses.replace(OLD, sunset=None)
    assert deprecation_headers(kept).keys() == {"Deprecation", "Link"}
    assert deprecation_headers(dataclasses.replace(kept, deprecated_since=None)) == {}


def test_the_document_marks_deprecated_operations_alone():
    assert OLD.to_openapi(needs_key=False)["deprecated"] is True
    stays = dataclasses.replace(OLD, deprecated_since=None, sunset=None)
    assert "deprecated" not in stays.to_openapi(needs_key=False)


@pytest.mark.parametrize("since", [None, datetime(2029, 1, 1, tzinfo=UTC)])
def test_a_sunset_comes_after_a_deprecation(since):
    with pytest.raises(ValueError, match="oldOperation"):
        dataclasses.replace(OLD, deprecated_since=since)


def test_no_operation_is_deprecated_by_now():
    assert [each.id for each in OPERATIONS if deprecation_headers(each)] == []
