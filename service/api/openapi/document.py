"""The document as a whole."""

from typing import Final

from service.api.openapi import create_import, jobs, operations, rejections
from service.api.openapi.responses import Json
from service.api.openapi.schemas import SCHEMAS

_DESCRIPTION: Final = (
    "Contacts in, as JSON, NDJSON or CSV of any size. An import that was answered 202 ends with "
    "each of its records either among the contacts, exactly once, or among the rejections, with a "
    "reason, or it is told why it was not processed: `records` = `imported` + `rejected` + "
    "`notProcessed`, always.\n\n"
    "Errors are `application/problem+json` (RFC 9457) with a stable `code`. What is no valid HTTP "
    "is answered `malformed_request` (400) or `head_too_large` (431), an address that there is not "
    "`not_found` (404), another method `method_not_allowed` (405), and an expectation other than "
    "`100-continue` `expectation_failed` (417). What another web site has a browser change is "
    "refused as `cross_site` (403)."
)

_IMPORTS: Final[Json] = {
    "/import": {"post": create_import.SEND, "get": jobs.LIST},
    "/import/{jobId}": {"get": jobs.SHOW, "delete": jobs.UNDO},
    "/import/{jobId}/rejections": {"get": rejections.SHOW},
    "/import/{jobId}/retry": {"post": jobs.RETRY},
    "/import/{jobId}/cancel": {"post": jobs.CANCEL},
}


def openapi_document() -> Json:
    """The API in OpenAPI 3.1, to be served and shown."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Contacts import", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": "Imports"}, {"name": "Running it"}, {"name": "Pages"}],
        "paths": _IMPORTS | operations.PATHS,
        "components": {"schemas": SCHEMAS},
    }
