"""Problems: the answers to requests that fail (RFC 9457)."""

import ast
import json
from pathlib import Path

import msgspec
import pytest

import service
from service.problem_types import PROBLEM_TYPES
from service.problems import Problem, ProblemError

SOURCES = [
    *Path(service.__path__[0]).rglob("*.py"),
    *(Path(service.__path__[0]).parent / "core" / "formats").glob("*.py"),
]


@pytest.mark.parametrize("code", PROBLEM_TYPES)
def test_the_body_of_each_kind(code):
    answer = ProblemError(
        code, "What to do.", headers={"X-A": "b"}, offset=5, record=None
    ).response()
    kind = PROBLEM_TYPES[code]
    assert answer.status == kind.status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-A"] == "b"
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {
        "type": f"/problems/{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": "What to do.",
        "code": code,
        **({"param": kind.param} if kind.param else {}),
        "offset": 5,
    }
    assert msgspec.json.decode(answer.body, type=Problem).code == code


def test_param_is_that_of_the_error_where_it_names_one():
    answer = ProblemError("duplicate_key", "x", param="data", state="failed").response()
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body)["param"] == "data"


@pytest.mark.parametrize("code", PROBLEM_TYPES)
def test_each_problem_type_is_explained_in_sentences(code):
    kind = PROBLEM_TYPES[code]
    assert not kind.title.endswith(".")
    assert all(text.endswith((".", "?", "`.")) for text in (kind.description, kind.advice))


def raised_codes() -> set[str]:
    """First arguments of all calls that make a ProblemError or MalformedInputError."""
    names = {"ProblemError", "MalformedInputError", "_at", "_invalid", "_refusal"}
    return {
        node.args[0].value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) in names
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
        and node.args[0].value.replace("_", "").islower()
        and " " not in node.args[0].value
    }


def test_each_code_that_is_raised_has_a_kind():
    codes = raised_codes()
    assert "malformed_json" in codes
    assert codes <= set(PROBLEM_TYPES)
