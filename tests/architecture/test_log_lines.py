"""Log lines name the same thing alike, so that one search finds all lines about an import."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.markdown import PROJECT

LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
OTHER_NAMES = {"import_id", "import", "job", "jobId", "id"}


def names() -> Iterator[tuple[str, str]]:
    """The place and name of each value in a call of a logger."""
    for package in ("config", "core", "service", "tasks"):
        for path in sorted((PROJECT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and is_of_logger(node.func):
                    place = f"{path.relative_to(PROJECT)}:{node.lineno}"
                    yield from ((place, each.arg) for each in node.keywords if each.arg)


def is_of_logger(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr in LEVELS
        and isinstance(function.value, ast.Name)
        and function.value.id in {"log", "_log"}
    )


def test_there_are_log_lines():
    assert {"job_id", "reason", "code"} <= {name for _, name in names()}


@pytest.mark.parametrize("other", sorted(OTHER_NAMES))
def test_an_import_is_named_job_id_as_clients_know_it(other):
    assert [place for place, name in names() if name == other] == []
