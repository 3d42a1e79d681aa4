"""The OpenAPI document agrees with the code: routes, types, states and problem codes."""

import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import AsyncMock

import msgspec
import pytest
from aiohttp import web

from core.job_view import Job, WebhookEvent
from core.reading.plan import Certainty, Field
from core.states import Format, ImportState
from service.api import examples
from service.api.authorization import Authorization
from service.api.openapi.document import openapi_document
from service.api.operations import CREATE_IMPORT, OPERATIONS, PREVIEW_IMPORT
from service.api.routes import add_routes
from service.api.schemas import (
    Accepted,
    Erasure,
    ErasureRequest,
    ImportPreview,
    ImportsPage,
    Readiness,
    RejectionsPage,
)
from service.intake.decompression import GZIP, ZSTD
from service.metrics import ServiceMetrics
from service.option_names import IMPORT_OPTIONS
from service.problem_types import PROBLEM_TYPES
from service.problems import Problem

DOCUMENT = openapi_document()
SCHEMAS = DOCUMENT["components"]["schemas"]
BEFORE_ROUTING = {
    "cross_site",
    "host_unknown",
    "expectation_failed",
    "method_not_allowed",
    "not_found",
}
"""Codes of problems that are answered before a route is found."""


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def nodes(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from nodes(each)


def test_each_route_is_documented_and_each_operation_is_routed():
    app = web.Application()
    add_routes(
        app,
        Authorization(None, ServiceMetrics()),
        *(AsyncMock(**{"uploads.expect": AsyncMock()}) for _ in range(6)),
    )
    routes = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource and route.method not in {"HEAD", "*"}
    }
    documented = {(method, path) for method, path, _ in operations()}
    assert len(documented) == len(OPERATIONS)
    assert routes == documented | {
        (method, path.removeprefix("/v1")) for method, path in documented
    }


def test_the_options_of_an_import_are_query_parameters_and_form_fields():
    assert set(CREATE_IMPORT.query) == set(PREVIEW_IMPORT.query) == set(IMPORT_OPTIONS)
    assert set(SCHEMAS["ImportForm"]["properties"]) == {"file", *IMPORT_OPTIONS}


def test_each_problem_code_is_documented():
    codes = {
        code
        for _, _, operation in operations()
        for answer in operation["responses"].values()
        for code in problem_codes(answer)
    }
    assert codes | BEFORE_ROUTING == set(PROBLEM_TYPES)
    assert all(f"`{code}`" in DOCUMENT["info"]["description"] for code in BEFORE_ROUTING)


def problem_codes(answer: dict[str, Any]) -> list[str]:
    return list(answer.get("content", {}).get("application/problem+json", {}).get("examples", ()))


def test_each_status_is_that_of_its_codes():
    for _, _, operation in operations():
        for status, answer in operation["responses"].items():
            assert {PROBLEM_TYPES[code].status for code in problem_codes(answer)} <= {int(status)}


def test_enumerations_are_those_of_the_code():
    assert set(SCHEMAS["ImportState"]["enum"]) == set(ImportState)
    assert set(SCHEMAS["Format"]["enum"]) == set(Format)
    assert set(SCHEMAS["Problem"]["properties"]["code"]["enum"]) == set(PROBLEM_TYPES)
    assert set(SCHEMAS["Field"]["enum"]) == set(Field)
    assert set(SCHEMAS["Certainty"]["enum"]) == set(Certainty)
    fields = SCHEMAS["Detected"]["properties"]["mapping"]["propertyNames"]["enum"]
    assert set(fields) == set(Field)
    compression = SCHEMAS["Detected"]["properties"]["compression"]["anyOf"]
    assert [GZIP, ZSTD] in [sorted(each.get("enum", ())) for each in compression]


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_used(name):
    assert any(node.get("$ref") == f"#/components/schemas/{name}" for node in nodes(DOCUMENT))


def test_references_can_be_resolved():
    for node in nodes(DOCUMENT):
        if "$ref" in node:
            _, _, kind, name = node["$ref"].split("/")
            assert name in DOCUMENT["components"][kind]


def test_operation_ids_are_unique_and_tags_are_declared():
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    assert all(set(operation["tags"]) <= tags for _, _, operation in operations())


def test_the_document_is_plain_json():
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


@pytest.mark.parametrize(
    ("example", "kind"),
    [
        (examples.ACCEPTED, Accepted),
        (examples.JOB, Job),
        (examples.PREVIEW, ImportPreview),
        (examples.IMPORTS, ImportsPage),
        (examples.REJECTIONS, RejectionsPage),
        (examples.READINESS, Readiness),
        (examples.ERASURE_REQUEST, ErasureRequest),
        (examples.ERASURE, Erasure),
        (examples.EVENT, WebhookEvent),
        *((examples.problem_example(code), Problem) for code in PROBLEM_TYPES),
    ],
)
def test_examples_are_valid(example, kind):
    assert msgspec.json.decode(msgspec.json.encode(example), type=kind) == example
