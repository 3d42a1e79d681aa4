"""Answers as OpenAPI describes them; those that are problems follow from their codes."""

from itertools import groupby
from typing import Any, Final

from service.problems import CONTENT_TYPE, PROBLEM_TYPES

Json = dict[str, Any]

ALWAYS: Final = ("internal_error",)
"""What can go wrong wherever something is asked."""
DATABASE: Final = ("database_unavailable",)
"""... and wherever the repository is."""

_RETRY_AFTER: Final = {
    "Retry-After": {
        "description": "Seconds to wait before the next try.",
        "schema": {"type": "integer", "minimum": 1},
    }
}


def ref(name: str) -> Json:
    """A schema of the document's own."""
    return {"$ref": f"#/components/schemas/{name}"}


def answer(description: str, schema: Json, **headers: Json) -> Json:
    """An answer in JSON."""
    content = {"application/json": {"schema": schema}}
    return {"description": description, "content": content} | (
        {"headers": headers} if headers else {}
    )


def header(description: str, *, always: bool = False) -> Json:
    """A header of an answer."""
    return {"description": description, "schema": {"type": "string"}, "required": always}


def query(name: str, schema: Json, description: str) -> Json:
    """A parameter of the address that may be left out."""
    return {"name": name, "in": "query", "schema": schema, "description": description}


def problems(*codes: str) -> Json:
    """The answers with these codes, by status."""
    ordered = sorted({*codes, *ALWAYS}, key=lambda code: (PROBLEM_TYPES[code].status, code))
    grouped = groupby(ordered, key=lambda code: PROBLEM_TYPES[code].status)
    return {str(status): _problem(status, list(same)) for status, same in grouped}


def _problem(status: int, codes: list[str]) -> Json:
    told = "\n".join(f"* `{code}`: {PROBLEM_TYPES[code].title}." for code in codes)
    schema = {
        "allOf": [
            ref("Problem"),
            {"properties": {"status": {"const": status}, "code": {"enum": codes}}},
        ]
    }
    described: Json = {"description": told, "content": {CONTENT_TYPE: {"schema": schema}}}
    return described | ({"headers": _RETRY_AFTER} if status == 503 else {})
