"""Each route with each key: who is let in, what the others are answered, what is read of theirs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
import structlog
from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http_writer import StreamWriter
from aiohttp.test_utils import make_mocked_request

from service.api.authorization import Authorization
from service.api.middleware import problems_middleware
from service.api.routes import add_routes
from service.keys.api_key import make_key
from service.keys.identity import key_name
from service.keys.key_file import KeyFile
from service.keys.scopes import Scope
from service.metrics import ServiceMetrics

JOB = "import-01890000-0000-7000-8000-000000000000"
VERSIONED = {
    ("POST", "/import"): Scope.IMPORT,
    ("POST", "/import/preview"): Scope.IMPORT,
    ("GET", "/import"): Scope.READ,
    ("GET", "/import/{jobId}"): Scope.READ,
    ("GET", "/import/{jobId}/rejections"): Scope.READ,
    ("DELETE", "/import/{jobId}"): Scope.UNDO,
    ("POST", "/import/{jobId}/retry"): Scope.UNDO,
    ("POST", "/import/{jobId}/cancel"): Scope.UNDO,
    ("POST", "/erasures"): Scope.ERASE,
    ("GET", "/erasures/{erasureId}"): Scope.ERASE,
}
ROUTES: dict[tuple[str, str], Scope | None] = {
    **VERSIONED,
    **{(method, f"/v1{path}"): scope for (method, path), scope in VERSIONED.items()},
    ("GET", "/metrics"): Scope.METRICS,
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
    ("GET", "/"): None,
    ("GET", "/docs"): None,
    ("GET", "/openapi.json"): None,
    ("GET", "/problems"): None,
    ("GET", "/problems/{code}"): None,
    ("GET", "/assets/{name}"): None,
}
UPLOADS = [route for route, scope in ROUTES.items() if scope is Scope.IMPORT]
KEYS = {scope: make_key(f"{scope}-only", [scope]) for scope in Scope}
UNKNOWN, _ = make_key("unknown", Scope)
EACH_ROUTE = pytest.mark.parametrize(
    ("route", "scope"), ROUTES.items(), ids=[" ".join(route) for route in ROUTES]
)


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    path = tmp_path / "keys"
    path.write_text("".join(f"{key.line}\n" for _, key in KEYS.values()))
    return KeyFile(path)


class App:
    """The routes with handlers that answer 200, and note whose requests reach them."""

    def __init__(self, keys: KeyFile | None, *, protect_metrics: bool = True) -> None:
        self.metrics = ServiceMetrics()
        self.reached: list[str | None] = []
        self.writer = AsyncMock(spec=StreamWriter, output_size=0)
        self.body = Mock(spec=StreamReader)
        self.app = web.Application(middlewares=[problems_middleware(self.metrics, {"*"})])
        authorization = Authorization(keys, self.metrics, protect_metrics=protect_metrics)
        resources: list[Any] = [Mock(spec_set=["uploads", *HANDLERS]) for _ in range(6)]
        for resource in resources:
            resource.uploads.expect = self._expect
            for name in HANDLERS:
                setattr(resource, name, self._handle)
        add_routes(self.app, authorization, *resources)
        self.app.freeze()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        structlog.stdlib.get_logger().info("reached")
        self.reached.append(key_name(request))
        return web.Response(text="ok")

    async def _expect(self, request: web.Request) -> None:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def routes(self) -> Iterator[tuple[str, str]]:
        for route in self.app.router.routes():
            if route.resource is not None and route.method != "*":
                yield route.method, route.resource.canonical

    async def ask(self, route: tuple[str, str], *keys: str, **headers: str) -> web.Response:
        """Send a request with ``Authorization: Bearer`` for each of the keys."""
        method, path = route
        sent = [*headers.items(), *(("Authorization", f"Bearer {key}") for key in keys)]
        request = make_mocked_request(
            method,
            path.format(jobId=JOB, erasureId=JOB, code="not_found", name="page.css"),
            sent,
            version=HttpVersion11,
            writer=self.writer,
            payload=self.body,
        )
        answer = await self.app._handle(request)
        assert isinstance(answer, web.Response)
        return answer


HANDLERS = (
    *("accept", "make", "list", "show", "undo", "retry", "cancel", "healthz", "readyz", "metrics"),
    *("create", "page", "docs", "problems", "problem", "asset", "openapi"),
)


def test_each_route_is_in_the_table(file):
    assert {route for route in App(file).routes() if route[0] != "HEAD"} == set(ROUTES)
    heads = {path for method, path in App(file).routes() if method == "HEAD"}
    assert heads == {path for method, path in ROUTES if method == "GET"}


def challenge(scope: Scope, error: str = "") -> str:
    return f'Bearer realm="contacts-importer", {error}scope="{scope}"'


@EACH_ROUTE
async def test_a_request_needs_a_key(file, route, scope):
    app = App(file)
    for method in ("HEAD", "GET") if route[0] == "GET" else (route[0],):
        answer = await app.ask((method, route[1]))
        assert answer.status == (200 if scope is None else 401)
        if scope is not None:
            assert problem(answer) == "api_key_missing"
            assert answer.headers["WWW-Authenticate"] == challenge(scope)
            assert app.reached == []
    assert app.body.mock_calls == []


@EACH_ROUTE
@pytest.mark.parametrize("owned", Scope)
async def test_a_key_allows_its_scope_alone(file, route, scope, owned):
    app = App(file)
    text, key = KEYS[owned]
    answer = await app.ask(route, text)
    assert answer.status == (200 if scope in {None, owned} else 403)
    if answer.status == 403:
        assert problem(answer) == "api_key_scope_missing"
        error = 'error="insufficient_scope", '
        assert answer.headers["WWW-Authenticate"] == challenge(scope, error)
        assert app.reached == []
    else:
        assert app.reached == [None if scope is None else key.name]
    assert app.body.mock_calls == []


@EACH_ROUTE
async def test_another_key_is_rejected(file, route, scope):
    app = App(file)
    answer = await app.ask(route, UNKNOWN)
    assert answer.status == (200 if scope is None else 401)
    if scope is not None:
        assert problem(answer) == "api_key_invalid"
        assert answer.headers["WWW-Authenticate"] == challenge(scope, 'error="invalid_token", ')
        assert UNKNOWN not in (answer.text or "")


@EACH_ROUTE
async def test_without_a_file_of_keys_all_are_allowed(route, scope):
    assert (await App(None).ask(route)).status == 200
    assert (await App(None).ask(route, UNKNOWN)).status == 200


async def test_metrics_are_open_unless_they_are_protected(file):
    assert (await App(file, protect_metrics=False).ask(("GET", "/metrics"))).status == 200


@pytest.mark.parametrize("route", UPLOADS, ids=[path for _, path in UPLOADS])
@pytest.mark.parametrize(
    ("keys", "status"),
    [([], 401), ([UNKNOWN], 401), ([KEYS[Scope.READ][0]], 403)],
    ids=["none", "unknown", "other scope"],
)
async def test_an_upload_is_rejected_before_100_continue(file, route, keys, status):
    app = App(file)
    with structlog.testing.capture_logs() as lines:
        answer = await app.ask(route, *keys, Expect="100-continue")
    assert answer.status == status
    assert (lines[-1]["event"], lines[-1]["code"]) == ("request rejected", problem(answer))
    app.writer.write.assert_not_awaited()
    code = problem(answer)
    counted = {"format": "other", "code": code}
    assert (
        app.metrics.registry.get_sample_value("contacts_importer_imports_refused_total", counted)
        == 1
    )


@pytest.mark.parametrize("route", UPLOADS, ids=[path for _, path in UPLOADS])
async def test_an_upload_that_is_allowed_gets_100_continue(file, route):
    app = App(file)
    answer = await app.ask(route, KEYS[Scope.IMPORT][0], Expect="100-continue")
    assert (answer.status, app.reached) == (200, ["import-only"])
    app.writer.write.assert_awaited_once_with(b"HTTP/1.1 100 Continue\r\n\r\n")


TEXT = KEYS[Scope.READ][0]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([f"bearer {TEXT}"], None),
        ([f"BEARER  {TEXT} "], None),
        (["Basic dTpw"], "api_key_missing"),
        ([TEXT], "api_key_missing"),
        ([""], "api_key_missing"),
        (["Bearer"], "api_key_invalid"),
        (["Bearer "], "api_key_invalid"),
        ([f'Bearer "{TEXT}"'], "api_key_invalid"),
        ([f"Bearer {TEXT}x"], "api_key_invalid"),
        ([f"Bearer {TEXT}, Bearer {TEXT}"], "api_key_invalid"),
        ([f"Bearer {TEXT}", f"Bearer {TEXT}"], "api_key_invalid"),
        (["Bearer größe"], "api_key_invalid"),
    ],
)
async def test_the_header_has_one_key_after_the_name_of_the_scheme(file, values, code):
    app = App(file)
    request = make_mocked_request("GET", "/import", [("Authorization", each) for each in values])
    answer = await app.app._handle(request)
    assert isinstance(answer, web.Response)
    assert (problem(answer) if answer.status != 200 else None) == code


async def test_the_log_has_the_name_of_the_key_and_never_the_key(file):
    app = App(file)
    context = structlog.contextvars.merge_contextvars
    with structlog.testing.capture_logs(processors=[context]) as lines:
        for text in (TEXT, UNKNOWN, KEYS[Scope.UNDO][0]):
            await app.ask(("GET", "/import"), text)
    events = [(line["event"], line.get("key_name"), line.get("code")) for line in lines]
    assert events == [
        ("reached", "read-only", None),
        ("request rejected", None, "api_key_invalid"),
        ("key does not allow the request", "undo-only", None),
        ("request rejected", None, "api_key_scope_missing"),
    ]
    assert "cik_" not in repr(lines)


async def test_a_change_of_the_file_counts_for_the_next_request(tmp_path):
    path = tmp_path / "keys"
    (old, old_key), (new, new_key) = (make_key("crm", [Scope.READ]) for _ in range(2))
    path.write_text(old_key.line)
    keys = KeyFile(path)
    app = App(keys)
    path.write_text(new_key.line)
    keys.refresh()
    statuses = [(await app.ask(("GET", "/import"), text)).status for text in (old, new)]
    assert statuses == [401, 200]


def problem(answer: web.Response) -> str:
    assert answer.content_type == "application/problem+json"
    return str(json.loads(answer.text or "")["code"])
