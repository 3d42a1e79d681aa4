"""Announces deprecated operations in each of their responses.

``Deprecation`` (RFC 9745) says since when, ``Sunset`` (RFC 8594) until when, and ``Link`` leads to
the description of the operation, which says what to use instead.
"""

from collections.abc import Mapping
from datetime import UTC
from email.utils import format_datetime
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict

from service.api.authorization import Expectation
from service.api.openapi.elements import Operation

_HEADERS: Final[web.RequestKey[Mapping[str, str]]] = web.RequestKey("deprecation_headers")


def deprecation_headers(operation: Operation) -> dict[str, str]:
    """Return the headers that announce the deprecation of an operation; none if it stays."""
    if operation.deprecated_since is None:
        return {}
    headers = {
        "Deprecation": f"@{int(operation.deprecated_since.timestamp())}",
        "Link": f'</docs#/operations/{operation.id}>; rel="deprecation"; type="text/html"',
    }
    if operation.sunset is not None:
        headers["Sunset"] = format_datetime(operation.sunset.astimezone(UTC), usegmt=True)
    return headers


def announce(handler: Handler, headers: Mapping[str, str]) -> Handler:
    """Return a handler whose responses have these headers, problems included."""

    async def announced(request: web.Request) -> web.StreamResponse:
        request[_HEADERS] = headers
        return await handler(request)

    return announced


def announce_expectation(expect: Expectation, headers: Mapping[str, str]) -> Expectation:
    """Return a handler of ``Expect`` headers that does the same."""

    async def announced(request: web.Request) -> web.StreamResponse | None:
        request[_HEADERS] = headers
        return await expect(request)

    return announced


def add_deprecation(request: web.BaseRequest, headers: "CIMultiDict[str]") -> None:
    """Add the headers to those of a response, which may have other links."""
    headers.extend(request.get(_HEADERS, {}))
