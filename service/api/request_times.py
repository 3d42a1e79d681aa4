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
        route = route_template(request) or UNMATCHED
        metrics.observe_request(request.method, route, status, seconds)

    return handle


def route_template(request: web.BaseRequest) -> str | None:
    """Return the template of a request's path, such as ``/import/{jobId}``; None without a route.

    It is what metrics and traces name instead of the path, which has the client's words.
    """
    if not isinstance(request, web.Request):
        return None
    resource = request.match_info.route.resource
    return None if resource is None else resource.canonical
