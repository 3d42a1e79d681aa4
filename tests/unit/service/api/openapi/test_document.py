"""The document has what the code has: routes, states, codes."""

import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import create_autospec

import pytest
from aiohttp import web

from core.states import Format, ImportState
from service.api.health import Health
from service.api.imports import Imports
from service.api.openapi.document import openapi_document
from service.api.rejections import Rejections
from service.api.routes import add_routes
from service.options import IMPORT_OPTIONS, QUERY_OPTIONS
from service.problems import PROBLEM_TYPES
from service.web.handlers import Pages

DOCUMENT = openapi_document()
SCHEMAS = DOCUMENT["components"]["schemas"]
UNDERNEATH = {
    "cross_site",
    "expectation_failed",
    "head_too_large",
    "malformed_request",
    "method_not_allowed",
    "not_found",
}
"""What is answered before a route is found."""


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


def test_each_route_is_documented_and_each_operation_is_there():
    app = web.Application()
    add_routes(app, *map(create_autospec, (Imports, Rejections, Health, Pages)))
    routes = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource and route.method != "HEAD"
    }
    assert routes == {(method, path) for method, path, _ in operations()}


def test_each_query_parameter_is_one_that_the_route_knows_and_the_other_way_round():
    documented = {
        f"{method} {path}": [
            each["name"] for each in operation.get("parameters", []) if each["in"] == "query"
        ]
        for method, path, operation in operations()
        if path.startswith("/import")
    }
    assert documented == {route: list(known) for route, known in QUERY_OPTIONS.items()}
    form = DOCUMENT["paths"]["/import"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert set(form["schema"]["properties"]) == {"file", *IMPORT_OPTIONS}


def test_each_code_is_told_of():
    codes = {
        code
        for node in nodes(DOCUMENT["paths"])
        for code in node.get("properties", {}).get("code", {}).get("enum", [])
    }
    assert codes | UNDERNEATH == set(PROBLEM_TYPES)
    assert all(f"`{code}`" in DOCUMENT["info"]["description"] for code in UNDERNEATH)


def test_each_status_is_that_of_its_codes():
    for _, _, operation in operations():
        for status, answer in operation["responses"].items():
            problem = answer.get("content", {}).get("application/problem+json")
            if problem:
                codes = problem["schema"]["allOf"][1]["properties"]["code"]["enum"]
                assert {PROBLEM_TYPES[code].status for code in codes} == {int(status)}


def test_lists_are_those_of_the_code():
    job = SCHEMAS["Job"]["properties"]
    assert set(job["state"]["enum"]) == set(ImportState)
    assert set(job["format"]["enum"]) == set(Format)
    assert set(SCHEMAS["Problem"]["properties"]["code"]["enum"]) == set(PROBLEM_TYPES)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_used(name):
    assert any(node.get("$ref") == f"#/components/schemas/{name}" for node in nodes(DOCUMENT))


def test_references_lead_somewhere():
    found = {node["$ref"] for node in nodes(DOCUMENT) if "$ref" in node}
    assert found <= {f"#/components/schemas/{name}" for name in SCHEMAS}


def test_operations_have_names_of_their_own_and_known_tags():
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    assert all(set(operation["tags"]) <= tags for _, _, operation in operations())


def test_the_document_is_plain_json():
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
