"""Which handler serves which operation."""

from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from service.api import operations
from service.api.imports import Handlers
from service.api.jobs import Jobs
from service.api.openapi.elements import Operation
from service.api.rejections import Rejections
from service.options import refuse_unknown
from service.web.handlers import Pages


def add_routes(
    app: web.Application, handlers: Handlers, jobs: Jobs, rejections: Rejections, pages: Pages
) -> None:
    """Add a route for each operation of the API and for each web page."""
    served: dict[Operation, Handler] = {
        operations.CREATE_IMPORT: handlers.accept,
        operations.LIST_IMPORTS: jobs.list,
        operations.GET_IMPORT: jobs.show,
        operations.UNDO_IMPORT: jobs.undo,
        operations.RETRY_IMPORT: jobs.retry,
        operations.CANCEL_IMPORT: jobs.cancel,
        operations.LIST_REJECTIONS: rejections.show,
        operations.GET_HEALTH: handlers.health,
        operations.GET_READINESS: handlers.ready,
        operations.GET_METRICS: handlers.metrics,
        operations.GET_PAGE: pages.page,
        operations.GET_DOCS: pages.docs,
        operations.LIST_PROBLEM_TYPES: pages.problems,
        operations.GET_PROBLEM_TYPE: pages.problem,
        operations.GET_ASSET: pages.asset,
        operations.GET_OPENAPI: pages.openapi,
    }
    expectations = {operations.CREATE_IMPORT: handlers.expect}
    for operation, handler in served.items():
        # The others change nothing, and probes and caches add query parameters of their own.
        if operation.tag == operations.IMPORTS:
            handler = _strict(handler, operation.query)  # noqa: PLW2901
        if operation.method == "GET":
            app.router.add_get(operation.path, handler)
        else:
            expect = expectations.get(operation)
            app.router.add_route(operation.method, operation.path, handler, expect_handler=expect)


def _strict(handler: Handler, known: Sequence[str]) -> Handler:
    """A handler that rejects requests with unknown query parameters."""

    async def checked(request: web.Request) -> web.StreamResponse:
        refuse_unknown(request.query, known, "query parameter")
        return await handler(request)

    return checked
