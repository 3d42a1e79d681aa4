"""No regular expression uses a feature that a supported Python matches wrongly.

Possessive quantifiers and atomic groups are mis-matched up to Python 3.11.4 (CPython's gh-100061
and gh-106052) and break up to 3.12.7 and 3.13.0 (gh-101955). Patterns here are linear without them.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PLACES = ("config", "core", "service", "tasks", "client", "embedded", "local", "benchmarks", ".ci")
SOURCES = sorted(path for place in PLACES for path in (PROJECT / place).rglob("*.py"))
FORBIDDEN = {re._constants.POSSESSIVE_REPEAT, re._constants.ATOMIC_GROUP}
IN_FRAGMENT = re.compile(r"\(\?>|(?<!\\)[*+?}]\+")
"""Finds them in a part of a pattern, which cannot be parsed."""


def literals(tree: ast.AST) -> Iterator[str | bytes]:
    """Yield all literals that may become patterns, with the parts of f-strings joined."""
    nodes = list(ast.walk(tree))
    left_out = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    left_out |= {
        id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values
    }
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values
            )
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str | bytes)
            and id(node) not in left_out
        ):
            yield node.value


def is_forbidden(pattern: str | bytes) -> bool:
    """Whether it has a possessive quantifier or an atomic group, if it is a pattern."""
    try:
        return FORBIDDEN & set(operators(re._parser.parse(pattern))) != set()
    except (re.error, OverflowError):
        text = pattern if isinstance(pattern, str) else pattern.decode("latin-1")
        return IN_FRAGMENT.search(text) is not None


def operators(parsed: object) -> Iterator[object]:
    """Yield all operators of a parsed pattern, at any depth."""
    if isinstance(parsed, re._parser.SubPattern | list | tuple):
        for part in parsed:
            yield from operators(part)
    elif isinstance(parsed, type(re._constants.LITERAL)):
        yield parsed


def test_all_folders_are_searched():
    assert {"csv.py", "emails.py", "audit.py"} <= {path.name for path in SOURCES}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_pattern_is_possessive_or_atomic(path):
    found = [text for text in literals(ast.parse(path.read_text())) if is_forbidden(text)]
    assert found == []


@pytest.mark.parametrize(
    "pattern",
    [
        "a*+", "a++", "a?+", "a{1,2}+", "a{,2}+", "(?>a)", "(?:(x)|y)*+", "b(a(?=c++))", "(?:a++",
        "[a", "(?(1)a++|b)", "(?<!a++)b", b"\\d++", b"(?>%b", "(a)(?:x|(?i:y*+))", "(?>a",
    ],
)  # fmt: skip
def test_is_forbidden_finds_possessive_and_atomic(pattern):
    assert is_forbidden(pattern) == (pattern != "[a")


@pytest.mark.parametrize(
    "pattern", ["a+", r"a\++", r"[*+]+", "[a*+]", "(?:a+)+", "(?=a)", "C#", ""]
)
def test_is_forbidden_allows_all_else(pattern):
    assert not is_forbidden(pattern)


def test_literals_joins_the_parts_of_f_strings():
    tree = ast.parse('"""a++"""\nre.compile(rf"{x}*+" + b"c")\nf(g=["d"])')
    assert set(literals(tree)) == {"x*+", b"c", "d"}
