"""What is asked by those who run the service, and by browsers."""

from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST

from service.api.openapi.responses import DATABASE, Json, answer, problems
from service.api.openapi.schemas import CHECKS

_OK: Final[Json] = {"type": "string", "const": "ok"}


def _operation(name: str, summary: str, tag: str, responses: Json, **more: object) -> Json:
    return {
        "get": {
            "operationId": name,
            "tags": [tag],
            "summary": summary,
            **more,
            "responses": responses,
        }
    }


def _file(name: str, summary: str, *content_types: str, **more: object) -> Json:
    content = {content_type: {"schema": {"type": "string"}} for content_type in content_types}
    responses = {
        "200": {"description": "The file.", "content": content},
        "304": {"description": "You have it already."},
        **problems(*(["not_found"] if more else [])),
    }
    return _operation(name, summary, "Pages", responses, **more)


_HEALTH: Final[Json] = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": _OK},
}
_READY: Final[Json] = {
    "type": "object",
    "required": ["status", "checks"],
    "properties": {
        "status": _OK,
        "checks": CHECKS,
    },
}
_ASSET_NAME: Final[Json] = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[a-z]+[.](css|js|svg)$"},
    "example": "page.css",
}
_DOCUMENT: Final[Json] = {
    "200": answer("This document.", {"type": "object"}),
    "304": {"description": "You have it already."},
    **problems(),
}

PATHS: Final[Json] = {
    "/healthz": _operation(
        "health",
        "Does the process live?",
        "Running it",
        {"200": answer("It does.", _HEALTH), **problems()},
    ),
    "/readyz": _operation(
        "ready",
        "Can imports be taken in?",
        "Running it",
        {
            "200": answer("They can.", _READY),
            **problems("storage_unavailable", *DATABASE),
        },
    ),
    "/metrics": _operation(
        "metrics",
        "Counters in Prometheus' text format",
        "Running it",
        {
            "200": {
                "description": "The counters of this process.",
                "content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}},
            },
            **problems(),
        },
    ),
    "/openapi.json": _operation("openapi", "This document", "Pages", _DOCUMENT),
    "/docs": _file("docs", "This document, to be read", "text/html"),
    "/": _file("page", "The page to import with", "text/html"),
    "/assets/{name}": _file(
        "asset",
        "What the page is made of",
        "text/css",
        "text/javascript",
        "image/svg+xml",
        parameters=[_ASSET_NAME],
    ),
}
