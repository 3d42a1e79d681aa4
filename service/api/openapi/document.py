"""The OpenAPI document, served at ``/openapi.json`` and shown at ``/docs``."""

from collections.abc import Collection
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from core.job_view import Job, WebhookEvent
from core.version import VERSION
from service.api import examples, schemas
from service.api.openapi.elements import (
    ALWAYS,
    API_PREFIX,
    KEY_PROBLEMS,
    REFERENCE,
    SECURITY_SCHEME,
    Json,
    answer,
    content,
    header,
)
from service.api.operations import ERASURES, IMPORTS, MONITORING, OPERATIONS, PAGES
from service.keys.scopes import SCOPES, Scope
from service.problem_types import PROBLEM_TYPES
from service.problems import Problem

_DESCRIPTION: Final = (
    "Imports contacts from JSON, NDJSON or CSV of any size. When an import has ended, each of its "
    "records is either a contact (exactly once), or a rejection with a reason, or was not "
    "processed: `records` = `imported` + `rejected` + `notProcessed`.\n\n"
    f"The addresses below `{API_PREFIX}` also work without `{API_PREFIX}`: `POST /import` is the "
    f"same as `POST {API_PREFIX}/import`. Addresses in answers begin as that of the request.\n\n"
    "Errors are `application/problem+json` (RFC 9457). `code` identifies the kind of problem and "
    "is stable, `type` links to a page about it, and `param` names the parameter at fault. Any "
    "request can also be answered with `cross_site` (403), `not_found` (404), "
    "`method_not_allowed` (405), `expectation_failed` (417) or `host_unknown` (421)."
)
_TAGS: Final = {
    IMPORTS: "Create imports, follow their progress, and retry, cancel or undo them.",
    ERASURES: "Have everything about an e-mail address removed.",
    MONITORING: "For load balancers, container platforms and Prometheus.",
    PAGES: "For people: the import page and this documentation.",
}
_TYPES: Final = (
    schemas.Accepted,
    schemas.Erasure,
    schemas.ErasureRequest,
    schemas.Health,
    schemas.ImportForm,
    schemas.ImportPreview,
    schemas.ImportRequest,
    schemas.ImportsPage,
    schemas.Readiness,
    schemas.RejectionsPage,
    Job,
    Problem,
    WebhookEvent,
)
_IMPORT_ENDED: Final[Json] = {
    "operationId": "importEnded",
    "tags": [IMPORTS],
    "summary": "An import has ended",
    "description": "Sent to the address given in `notify` when the import is `completed`, "
    "`failed`, `cancelled`, `undone` or `undo_failed`. The request is signed "
    "according to [Standard Webhooks](https://www.standardwebhooks.com) and repeated for a day "
    "until the receiver answers with a 2xx status. Repetitions have the same `webhook-id`.",
    "parameters": [
        header("webhook-id", str, "Identifies the event: the same for each repetition.")
        | {"required": True, "example": "msg_2b7e151628aed2a6abf7158809cf4f3c"},
        header(
            "webhook-timestamp",
            Annotated[str, Meta(pattern="^[0-9]+$")],
            "When the request was sent, in seconds since 1970-01-01 UTC.",
        )
        | {"required": True, "example": "1795687203"},
        header(
            "webhook-signature",
            Annotated[str, Meta(pattern="^v1,")],
            "`v1,` and the HMAC-SHA256, in base64, of `{webhook-id}.{webhook-timestamp}.{body}` "
            "with the shared secret.",
        )
        | {"required": True, "example": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="},
    ],
    "requestBody": {
        "required": True,
        "content": content(WebhookEvent, example=examples.EVENT),
    },
    "responses": {
        "2XX": answer("The event was received."),
        "410": answer("The receiver wants no more events of this import."),
        "default": answer("The request is repeated later."),
    },
}


_SECURITY: Final[Json] = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key that the operator of the service has made, if the service has keys. Each "
    "key has some of these scopes:\n\n"
    + "\n".join(f"* `{scope}`: {words}" for scope, words in SCOPES.items()),
}


def openapi_document(scopes: Collection[Scope] = ()) -> Json:
    """Return the API in OpenAPI 3.1.1 (https://spec.openapis.org/oas/v3.1.1.html).

    ``scopes`` are those that this service needs keys for.
    """
    paths: Json = {}
    for operation in OPERATIONS:
        described = operation.to_openapi(needs_key=operation.scope in scopes)
        paths.setdefault(operation.address, {})[operation.method.lower()] = described
    _, components = msgspec.json.schema_components(_TYPES, ref_template=REFERENCE)
    used = {*ALWAYS, *KEY_PROBLEMS}
    used |= {code for operation in OPERATIONS for code in operation.problems}
    problems = {
        code: {"summary": kind.title, "value": msgspec.to_builtins(examples.problem_example(code))}
        for code, kind in PROBLEM_TYPES.items()
        if code in used
    }
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Contacts import",
            "version": VERSION,
            "summary": "Imports contacts of any size, exactly once",
            "description": _DESCRIPTION,
            "contact": {"name": "The operator of this service"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "This service"}],
        "security": [],
        "tags": [{"name": name, "description": words} for name, words in _TAGS.items()],
        "paths": paths,
        "webhooks": {"importEnded": {"post": _IMPORT_ENDED}},
        "components": {
            "schemas": components,
            "examples": problems,
            "securitySchemes": {SECURITY_SCHEME: _SECURITY},
        },
    }
