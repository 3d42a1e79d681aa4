"""The questions in a problem, each with the options that answer it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from contacts_import.text import quoted, table

_MAX_COLUMNS: Final = 20
_WITHOUT_NAMES: Final = ("--name none", "import without names")


def answers_to(problem: Mapping[str, Any]) -> list[str]:
    """Return lines with the options of which the user has to choose one; none for no question."""
    code = problem.get("code")
    if code == "encoding_uncertain" and (encodings := problem.get("encodings")):
        rows = [(f"--encoding {each['encoding']}", each["sample"]) for each in encodings]
        return _block("Add the one with which the text reads right:", rows)
    columns = problem.get("columns")
    if code == "email_column_unclear" and columns:
        rows = [
            *(_option(column, "email") for column in columns if _has_address(column["samples"])),
            ("--email none", "import without addresses"),
        ]
        return _block("Add one of these:", rows)
    if code == "name_column_unclear" and columns:
        names = [column for column in columns if _may_be_names(column)]
        rows = [*(_option(column, "name") for column in names[:_MAX_COLUMNS]), _WITHOUT_NAMES]
        return _block("Add one of these:", rows)
    if code == "csv_header_unusable" and columns:
        if _has_address([column["name"] for column in columns]):
            return _without_header(columns)
        return _unknown_names(columns)
    return []


def _without_header(columns: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return lines for a file whose first row is a contact."""
    names = [column["name"] for column in columns]
    email = next(number for number, name in enumerate(names, 1) if "@" in name)
    others = (number for number, name in enumerate(names, 1) if " " in name and "@" not in name)
    name = next(others, None)
    options = f"--header none --map {email}:email" + (f" --map {name}:name" if name else "")
    return _block("If the first row is a contact, add:", [(options, "")])


def _unknown_names(columns: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return lines for a file whose columns have names that are not known."""
    rows = [
        _option(column, "email" if _has_address(column["samples"]) else "name")
        for column in columns
        if column["map"] and (_has_address(column["samples"]) or _has_words(column["samples"]))
    ]
    return _block("Add those that are right:", rows[:_MAX_COLUMNS]) if rows else []


def _option(column: Mapping[str, Any], field: str) -> tuple[str, str]:
    mapping = f"{column['map']}:{field}"
    return f"--map {quoted(mapping)}", " | ".join(column["samples"])


def _has_address(texts: Sequence[str]) -> bool:
    return any("@" in text for text in texts)


def _has_words(texts: Sequence[str]) -> bool:
    """Return whether texts may be names: letters without digits."""
    joined = "".join(texts)
    return any(map(str.isalpha, joined)) and not any(map(str.isdigit, joined))


def _may_be_names(column: Mapping[str, Any]) -> bool:
    samples = column["samples"]
    return bool(column["map"]) and _has_words(samples) and not _has_address(samples)


def _block(question: str, rows: Sequence[Sequence[str]]) -> list[str]:
    return [question, *(f"  {line}" for line in table(rows))]
