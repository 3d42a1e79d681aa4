"""Which handler serves which operation."""

from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from service.api import operations
from service.api.health import Health
from service.api.imports import Imports
from service.api.openapi.elements import Operation
from service.api.rejections import Rejections
from service.options import check_option_names
from service.web.handlers import Pages


def add_routes(
    app: web.Application, imports: Imports, rejections: Rejections, health: Health, pages: Pages
) -> None:
    """Add a route for each operation of the API and for each web page."""
    served: dict[Operation, Handler] = {
        operations.CREATE_IMPORT: imports.accept,
        operations.LIST_IMPORTS: imports.list,
        operations.GET_IMPORT: imports.show,
        operations.UNDO_IMPORT: imports.undo,
        operations.RETRY_IMPORT: imports.retry,
        operations.CANCEL_IMPORT: imports.cancel,
        operations.LIST_REJECTIONS: rejections.show,
        operations.GET_HEALTH: health.healthz,
        operations.GET_READINESS: health.readyz,
        operations.GET_METRICS: health.metrics,
        operations.GET_PAGE: pages.page,
        operations.GET_DOCS: pages.docs,
        operations.LIST_PROBLEM_TYPES: pages.problems,
        operations.GET_PROBLEM_TYPE: pages.problem,
        operations.GET_ASSET: pages.asset,
        operations.GET_OPENAPI: pages.openapi,
    }
    expectations = {operations.CREATE_IMPORT: imports.expect}
    for operation, handler in served.items():
        # POST /import checks its options with the rest of its head. Operations of other tags change
        # nothing, and probes and caches add query parameters of their own.
        if operation.tag == operations.IMPORTS and operation is not operations.CREATE_IMPORT:
            handler = _strict(handler, operation.query)  # noqa: PLW2901
        if operation.method == "GET":
            app.router.add_get(operation.path, handler)
        else:
            expect = expectations.get(operation)
            app.router.add_route(operation.method, operation.path, handler, expect_handler=expect)


def _strict(handler: Handler, known: Sequence[str]) -> Handler:
    """Return a handler that rejects requests with unknown query parameters."""

    async def checked(request: web.Request) -> web.StreamResponse:
        check_option_names(request.query, known, "query parameter")
        return await handler(request)

    return checked
