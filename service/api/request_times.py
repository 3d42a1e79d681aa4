"""Measures all requests that are HTTP, also those that are answered before any middleware."""

import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from aiohttp import web

from service.metrics import ServiceMetrics

RequestHandler: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

UNMATCHED: Final = "unmatched"
"""The route of requests for an address that does not exist, or with another method."""


def timed(handler: RequestHandler, metrics: ServiceMetrics) -> RequestHandler:
    """Return a handler that records in ``metrics`` how long each request takes."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        started = time.perf_counter()
        try:
            response = await handler(request)
        except web.HTTPException as error:
            observe(request, error.status, started)
            raise
        observe(request, response.status, started)
        return response

    def observe(request: web.BaseRequest, status: int, started: float) -> None:
        seconds = time.perf_counter() - started
        metrics.observe_request(request.method, _route(request), status, seconds)

    return handle


def _route(request: web.BaseRequest) -> str:
    """Return the template of a request's path, such as ``/import/{jobId}``."""
    if not isinstance(request, web.Request):
        return UNMATCHED
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None else resource.canonical
