"""What an operation is made of, as OpenAPI 3.1 describes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import msgspec

from service.keys.scopes import Scope
from service.problem_types import PROBLEM_TYPES
from service.problems import CONTENT_TYPE, Problem, problem_type

Json = dict[str, Any]

API_PREFIX: Final = "/v1"
"""Where the addresses of the API's present major version begin."""
REFERENCE: Final = "#/components/schemas/{name}"
_JSON: Final = "application/json"
ALWAYS: Final = (
    "malformed_request",
    "head_too_large",
    "internal_error",
    "http_version_unsupported",
)
"""Codes of the problems that any request can be answered with, documented at each operation."""
KEY_PROBLEMS: Final = ("api_key_missing", "api_key_invalid", "api_key_scope_missing")
"""The same for operations that need a key, where the service has keys."""
SECURITY_SCHEME: Final = "apiKey"
_CHALLENGE: Final[Json] = {
    "WWW-Authenticate": {
        "description": "The scope that is needed, and the error if there was a key (RFC 6750).",
        "schema": {"type": "string"},
    }
}
_HEADERS: Final[dict[int, Json]] = {
    401: _CHALLENGE,
    403: _CHALLENGE,
    503: {
        "Retry-After": {
            "description": "Seconds to wait before the next try.",
            "schema": {"type": "integer", "minimum": 1},
        }
    },
}
"""Headers of problems by status."""


def schema_of(kind: Any) -> Json:  # noqa: ANN401 -- any type
    """Return the JSON Schema of a type; structs and enumerations become references."""
    (schema,), _ = msgspec.json.schema_components((kind,), ref_template=REFERENCE)
    return schema


def query(name: str, kind: Any, description: str = "", default: Any = None) -> Json:  # noqa: ANN401
    """Return an optional query parameter. The description is that of its type, unless given."""
    return _parameter("query", name, kind, description, default)


def header(name: str, kind: Any, description: str = "") -> Json:  # noqa: ANN401
    """Return an optional header of a request."""
    return _parameter("header", name, kind, description, None)


def path(name: str, kind: Any, description: str = "", **more: Any) -> Json:  # noqa: ANN401
    """Return a parameter in the path, which is always required."""
    return _parameter("path", name, kind, description, None) | {"required": True} | more


def _parameter(where: str, name: str, kind: Any, description: str, default: Any) -> Json:  # noqa: ANN401
    schema = schema_of(kind)
    words = schema.pop("description", "")
    if default is not None:
        schema["default"] = default
    return {"name": name, "in": where, "description": description or words, "schema": schema}


def content(kind: Any, *, media_type: str = _JSON, example: Any = None) -> Json:  # noqa: ANN401
    """Return a body of one media type; a struct as ``example`` is shown as its JSON."""
    described: Json = {"schema": schema_of(kind)}
    if example is not None:
        described["example"] = msgspec.to_builtins(example)
    return {media_type: described}


def answer(description: str, body: Json | None = None, **headers: Json) -> Json:
    """Return the description of an answer, with headers by their names."""
    described: Json = {"description": description}
    if headers:
        described["headers"] = headers
    if body:
        described["content"] = body
    return described


def answer_header(description: str, *, always: bool = False) -> Json:
    """Return the description of an answer's header."""
    return {"description": description, "required": always, "schema": {"type": "string"}}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Operation:
    """One method of one path.

    Raises ValueError if there is a ``sunset`` without an earlier ``deprecated_since``.
    """

    method: str
    path: str
    """The path without ``prefix``, under which it is served as well."""
    id: str
    tag: str
    scope: Scope | None
    """What a key must allow; None if the operation needs no key."""
    summary: str
    description: str
    answers: Mapping[str, Json]
    """Successful answers by status."""
    problems: Sequence[str] = ()
    """Codes of the problems that it can answer with, besides ALWAYS and KEY_PROBLEMS."""
    parameters: Sequence[Json] = ()
    body: Json | None = None
    prefix: str = API_PREFIX
    """Begins the documented address. Empty for addresses that no version of the API can change,
    because browsers, load balancers and Prometheus expect them."""
    deprecated_since: datetime | None = None
    """Since when, or from when on, clients should use something else."""
    sunset: datetime | None = None
    """When it will probably stop working; only with ``deprecated_since``."""

    def __post_init__(self) -> None:
        if self.sunset is not None and (
            self.deprecated_since is None or self.sunset < self.deprecated_since
        ):
            raise ValueError(f"{self.id}: sunset without an earlier deprecated_since")

    @property
    def address(self) -> str:
        """The documented path."""
        return self.prefix + self.path

    @property
    def addresses(self) -> tuple[str, ...]:
        """All paths that it is served under, the documented one first."""
        return (self.address, self.path) if self.prefix else (self.path,)

    @property
    def query(self) -> list[str]:
        """Names of its query parameters."""
        return [each["name"] for each in self.parameters if each["in"] == "query"]

    def to_openapi(self, *, needs_key: bool) -> Json:
        """Return the OpenAPI Operation Object; its key is optional unless ``needs_key``."""
        described: Json = {
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.description,
        }
        if self.deprecated_since is not None:
            described["deprecated"] = True
        if self.parameters:
            described["parameters"] = list(self.parameters)
        if self.body:
            described["requestBody"] = {"required": True, "content": self.body}
        problems = self.problems
        if self.scope is not None:
            with_key: Json = {SECURITY_SCHEME: [self.scope.value]}
            described["security"] = [with_key] if needs_key else [{}, with_key]
            problems = (*problems, *KEY_PROBLEMS)
        described["responses"] = {**self.answers, **_problem_answers(problems)}
        return described


def _problem_answers(codes: Sequence[str]) -> Json:
    """Return the answers with these codes, by status."""

    def status(code: str) -> int:
        return PROBLEM_TYPES[code].status

    ordered = sorted({*codes, *ALWAYS}, key=lambda code: (status(code), code))
    return {str(key): _problem_answer(key, list(same)) for key, same in groupby(ordered, status)}


def _problem_answer(status: int, codes: Sequence[str]) -> Json:
    words = (f"* [`{code}`]({problem_type(code)}): {PROBLEM_TYPES[code].title}" for code in codes)
    described = answer("\n".join(words), content(Problem, media_type=CONTENT_TYPE))
    described["content"][CONTENT_TYPE]["examples"] = {
        code: {"$ref": f"#/components/examples/{code}"} for code in codes
    }
    return described | ({"headers": _HEADERS[status]} if status in _HEADERS else {})
