"""The routes of the service: which handler answers which method and path."""

from collections.abc import Sequence
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler

from service.api.health import Health
from service.api.imports import Imports
from service.api.rejections import Rejections
from service.options import QUERY_OPTIONS, check_option_names
from service.web.handlers import Pages


def add_routes(
    app: web.Application, imports: Imports, rejections: Rejections, health: Health, pages: Pages
) -> None:
    """Add the routes of the API and of the web pages."""
    # It checks its query parameters itself, with the rest of the request's head.
    app.router.add_post("/import", imports.accept, expect_handler=imports.expect)
    handlers: dict[str, Handler] = {
        "GET /import": imports.list,
        "GET /import/{jobId}": imports.show,
        "DELETE /import/{jobId}": imports.undo,
        "POST /import/{jobId}/retry": imports.retry,
        "POST /import/{jobId}/cancel": imports.cancel,
        "GET /import/{jobId}/rejections": rejections.show,
    }
    for route, handler in handlers.items():
        method, _, path = route.partition(" ")
        add = app.router.add_get if method == "GET" else partial(app.router.add_route, method)
        add(path, _with_known_options(handler, QUERY_OPTIONS[route]))

    # These ignore unknown parameters: probes and caches add their own, and nothing is changed.
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    app.router.add_get("/metrics", health.metrics)
    app.router.add_get("/", pages.page)
    app.router.add_get("/assets/{name}", pages.asset)
    app.router.add_get("/openapi.json", pages.openapi)
    app.router.add_get("/docs", pages.docs)


def _with_known_options(handler: Handler, known: Sequence[str]) -> Handler:
    """Return a handler that rejects requests with unknown query parameters."""

    async def checked(request: web.Request) -> web.StreamResponse:
        check_option_names(request.query, known, "query parameter")
        return await handler(request)

    return checked
