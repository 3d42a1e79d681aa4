"""The URL of a Supabase: serves Storage, and forwards to PostgREST on a Unix socket."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp
from aiohttp import hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

API_KEYS = web.AppKey("api_keys", frozenset[str])
UPSTREAM = web.AppKey("upstream", aiohttp.ClientSession)
HOP_BY_HOP = (
    hdrs.CONNECTION,
    hdrs.KEEP_ALIVE,
    hdrs.PROXY_AUTHENTICATE,
    hdrs.PROXY_AUTHORIZATION,
    hdrs.TE,
    hdrs.TRAILER,
    hdrs.TRANSFER_ENCODING,
    hdrs.UPGRADE,
)
# PostgREST closes idle connections after 30 s; a POST must not be sent on a closed one.
KEEP_ALIVE = 15.0
CONNECTIONS = 100


def gateway_app(
    storage: web.Application, postgrest: Path, api_keys: frozenset[str]
) -> web.Application:
    """Return the application that serves all of the Supabase API."""
    app = web.Application()
    app[API_KEYS] = api_keys
    app.cleanup_ctx.append(_connected_to(postgrest))
    app.add_subapp("/storage/v1", storage)
    app.router.add_route("*", "/rest/v1{path:(?:/.*)?}", forward)
    return app


def _connected_to(socket: Path) -> Callable[[web.Application], AsyncIterator[None]]:
    async def context(app: web.Application) -> AsyncIterator[None]:
        connector = aiohttp.UnixConnector(
            str(socket), limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE
        )
        async with aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.CONTENT_TYPE),
        ) as session:
            app[UPSTREAM] = session
            yield

    return context


async def forward(request: web.Request) -> web.StreamResponse:
    """Forward a request to PostgREST and return its answer, both as streams."""
    key = request.headers.get("apikey") or request.query.get("apikey")
    if key not in request.app[API_KEYS]:
        return _unauthorized(key)
    try:
        async with _sent(request, key) as answer:
            return await _return_answer(request, answer)
    except aiohttp.ClientConnectorError:
        return web.json_response({"message": "PostgREST is not reachable"}, status=503)
    except aiohttp.ClientError as error:
        return web.json_response(
            {"message": f"PostgREST closed the connection: {error}"}, status=502
        )


def _unauthorized(key: str | None) -> web.Response:
    if key is None:
        message = "No API key found in request"
        hint = "No `apikey` request header or url param was found."
    else:
        message = "Invalid API key"
        hint = "Double check your Supabase `anon` or `service_role` API key."
    return web.json_response({"message": message, "hint": hint}, status=401)


def _sent(request: web.Request, key: str) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    return request.app[UPSTREAM].request(
        request.method,
        _upstream_url(request),
        headers=_request_headers(request, key),
        data=request.content if request.can_read_body else None,
        allow_redirects=False,
    )


async def _return_answer(
    request: web.Request, answer: aiohttp.ClientResponse
) -> web.StreamResponse:
    response = web.StreamResponse(
        status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers)
    )
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    except (ConnectionError, aiohttp.ClientError):
        _abort(request)
    return response


def _abort(request: web.Request) -> None:
    """Abort the connection, so that an incomplete answer does not look complete."""
    if request.transport is not None:
        request.transport.abort()


def _upstream_url(request: web.Request) -> URL:
    """Return the same path and query, byte by byte, without prefix and gateway key."""
    path, _, query = request.raw_path.partition("?")
    if "apikey" in request.query:
        query = "&".join(pair for pair in query.split("&") if not pair.startswith("apikey="))
    address = f"http://postgrest{path.removeprefix('/rest/v1') or '/'}"
    return URL(f"{address}?{query}" if query else address, encoded=True)


def _request_headers(request: web.Request, key: str) -> CIMultiDict[str]:
    headers = _end_to_end(request.headers)
    headers.popall("apikey", None)
    headers.popall(hdrs.EXPECT, None)
    headers.setdefault(hdrs.AUTHORIZATION, f"Bearer {key}")
    return headers


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Return the headers that are not hop-by-hop (RFC 9110, section 7.6.1)."""
    kept = CIMultiDict(headers)
    for name in HOP_BY_HOP:
        kept.popall(name, None)
    return kept
