"""Which handler serves which operation."""

from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler

from service.api import operations
from service.api.authorization import Authorization, Expectation
from service.api.deprecation import announce, announce_expectation, deprecation_headers
from service.api.erasures import Erasures
from service.api.health import Health
from service.api.imports import Imports
from service.api.openapi.elements import Operation
from service.api.previews import Previews
from service.api.rejections import Rejections
from service.option_names import check_option_names
from service.web.handlers import Pages


def add_routes(  # noqa: PLR0913, PLR0917 -- a handler for each resource
    app: web.Application,
    authorization: Authorization,
    imports: Imports,
    previews: Previews,
    rejections: Rejections,
    erasures: Erasures,
    health: Health,
    pages: Pages,
) -> None:
    """Add a route for each operation of the API and for each web page."""
    served: dict[Operation, Handler] = {
        operations.CREATE_IMPORT: imports.accept,
        operations.PREVIEW_IMPORT: previews.make,
        operations.LIST_IMPORTS: imports.list,
        operations.GET_IMPORT: imports.show,
        operations.UNDO_IMPORT: imports.undo,
        operations.RETRY_IMPORT: imports.retry,
        operations.CANCEL_IMPORT: imports.cancel,
        operations.LIST_REJECTIONS: rejections.show,
        operations.CREATE_ERASURE: erasures.create,
        operations.GET_ERASURE: erasures.show,
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
    expectations: dict[Operation, Expectation] = {
        operations.CREATE_IMPORT: imports.uploads.expect,
        operations.PREVIEW_IMPORT: previews.uploads.expect,
    }
    for operation, handler in served.items():
        # Uploads check their options with the rest of their head. Operations of other tags change
        # nothing, and probes and caches add query parameters of their own.
        strict = operation.tag in {operations.IMPORTS, operations.ERASURES}
        if strict and operation not in expectations:
            handler = _strict(handler, operation.query)  # noqa: PLW2901
        expect = expectations.get(operation)
        if operation.scope is not None:
            handler = authorization.protect(handler, operation.scope)  # noqa: PLW2901
            expect = expect and authorization.protect_expectation(expect, operation.scope)
        if headers := deprecation_headers(operation):
            handler = announce(handler, headers)  # noqa: PLW2901
            expect = expect and announce_expectation(expect, headers)
        for address in operation.addresses:
            if operation.method == "GET":
                app.router.add_get(address, handler)
            else:
                app.router.add_route(operation.method, address, handler, expect_handler=expect)
    # Otherwise "preview" would be taken for a jobId in requests with other methods.
    for address in operations.PREVIEW_IMPORT.addresses:
        app.router.add_route("*", address, _only_post)


async def _only_post(request: web.Request) -> web.StreamResponse:
    raise web.HTTPMethodNotAllowed(request.method, ["POST"])


def _strict(handler: Handler, known: Sequence[str]) -> Handler:
    """Return a handler that rejects requests with unknown query parameters."""

    async def checked(request: web.Request) -> web.StreamResponse:
        check_option_names(request.query, known, "query parameter")
        return await handler(request)

    return checked
