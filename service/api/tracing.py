"""A span for each request, in the trace that its ``traceparent`` header names (W3C Trace Context).

Only used if traces are on.
"""

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from config.tracing import Traces
from core.queue_messages import TRACEPARENT
from service.api import operations
from service.api.request_times import route_template
from service.metrics import KNOWN_METHODS

_UNTRACED: Final = {
    operation.path
    for operation in (operations.GET_HEALTH, operations.GET_READINESS, operations.GET_METRICS)
}
"""Monitoring asks for them every few seconds."""


def tracing_middleware(traces: Traces) -> Middleware:
    """Return the middleware; it has to be the first one, so that others log with the trace's id."""

    @web.middleware
    async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = route_template(request)
        if route in _UNTRACED:
            return await handler(request)
        method = request.method if request.method in KNOWN_METHODS else "_OTHER"
        attributes = {"http.request.method": method}
        if route is not None:
            attributes["http.route"] = route
        with traces.span(
            f"{method} {route}" if route else method,
            kind="server",
            parent=_traceparent(request),
            attributes=attributes,
        ):
            response = await handler(request)
            traces.annotate({"http.response.status_code": response.status})
            if response.status >= 500:
                traces.fail(str(response.status))
            return response

    return trace


def _traceparent(request: web.Request) -> str | None:
    """Return the header if there is exactly one, as the specification says."""
    sent = request.headers.getall(TRACEPARENT, [])
    return sent[0] if len(sent) == 1 else None
