"""Which address is answered by which handler."""

from collections.abc import Sequence
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler

from service.api.imports import Handlers
from service.api.jobs import Jobs
from service.api.rejections import Rejections
from service.options import QUERY_OPTIONS, refuse_unknown
from service.web.handlers import Pages


def add_routes(
    app: web.Application, handlers: Handlers, jobs: Jobs, rejections: Rejections, pages: Pages
) -> None:
    """Add the routes of the API, and of what people see."""
    answers: dict[str, Handler] = {
        "POST /import": handlers.accept,
        "GET /import": jobs.list,
        "GET /import/{jobId}": jobs.show,
        "DELETE /import/{jobId}": jobs.undo,
        "POST /import/{jobId}/retry": jobs.retry,
        "POST /import/{jobId}/cancel": jobs.cancel,
        "GET /import/{jobId}/rejections": rejections.show,
    }
    expectations = {"POST /import": handlers.expect}
    for route, answer in answers.items():
        method, _, path = route.partition(" ")
        add = app.router.add_get if method == "GET" else partial(app.router.add_route, method)
        add(path, _checked(answer, QUERY_OPTIONS[route]), expect_handler=expectations.get(route))
    # These change nothing, and probes and caches add parameters of their own.
    app.router.add_get("/healthz", handlers.health)
    app.router.add_get("/readyz", handlers.ready)
    app.router.add_get("/metrics", handlers.metrics)
    add_pages(app, pages)


def _checked(answer: Handler, known: Sequence[str]) -> Handler:
    """Answer only requests of which all query parameters are known."""

    async def checked(request: web.Request) -> web.StreamResponse:
        refuse_unknown(request.query, known, "query parameter")
        return await answer(request)

    return checked


def add_pages(app: web.Application, pages: Pages) -> None:
    """Add the routes of what people see."""
    app.router.add_get("/", pages.page)
    app.router.add_get("/assets/{name}", pages.asset)
    app.router.add_get("/openapi.json", pages.openapi)
    app.router.add_get("/docs", pages.docs)
