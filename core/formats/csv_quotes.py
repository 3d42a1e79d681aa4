"""Quotes that RFC 4180 does not allow, as programs write them nevertheless.

A quote in a quoted field that is neither doubled nor followed by a delimiter was meant as text:
``"Nora "Nell" Quill"``. Python's csv module would drop it.
"""

import csv
import re
from typing import Final

from core.formats.csv_dialect import CsvDialect

_ESCAPE: Final = re.compile(r"\\([\\\"'])")


class IrregularRow(list[str]):
    """A row whose quotes are not those of RFC 4180, with the fields that it most likely has."""

    is_certain: bool = True
    """False if the fields cannot be told: the row has several lines."""


def replace_escapes(text: str, dialect: CsvDialect) -> str:
    r"""Return a text in which quotes are escaped by doubling them, of the same length.

    Where the dialect has escapes, ``\"`` becomes ``""``; ``\\"`` is a backslash before a quote.
    """
    if not dialect.backslash_escapes:
        return text
    quote = dialect.quote
    if "\\\\" not in text:
        return text.replace(f"\\{quote}", quote * 2)
    return _ESCAPE.sub(lambda match: quote * 2 if match[1] == quote else match[0], text)


def read_irregular(row: list[str], raw: str, dialect: CsvDialect) -> list[str]:
    """Return a row unchanged if its quotes follow RFC 4180, else as an IrregularRow.

    ``raw`` is its text with the line end.
    """
    line = raw.rstrip("\r\n")
    try:
        list(csv.reader([line], strict=True, **dialect.options()))
    except csv.Error:
        pass
    else:
        return row
    if "\n" in line or "\r" in line:
        try:
            list(csv.reader(line.splitlines(keepends=True), strict=True, **dialect.options()))
        except csv.Error:
            irregular = IrregularRow(row)
            irregular.is_certain = False
            return irregular
        return row
    return IrregularRow(_split(line, dialect))


def _split(line: str, dialect: CsvDialect) -> list[str]:
    """Split a line: a quote closes a field only before a delimiter or the end of the line.

    If no quote closes a field, the one that opens it is text.
    """
    fields: list[str] = []
    at, can_close = 0, True
    while True:
        end = line.find(dialect.delimiter, at)
        end = len(line) if end < 0 else end
        opening = at
        while opening < end and line[opening] == " ":
            opening += 1
        is_quoted = can_close and line.startswith(dialect.quote, opening)
        closing = _closing_quote(line, opening + 1, dialect) if is_quoted else -1
        if is_quoted and closing < 0:
            can_close = False  # none does after this one, either
        if closing >= 0:
            fields.append(line[opening + 1 : closing].replace(dialect.quote * 2, dialect.quote))
            end = line.find(dialect.delimiter, closing)
            end = len(line) if end < 0 else end
        else:
            fields.append(line[at:end])
        if end == len(line):
            return fields
        at = end + 1


def _closing_quote(line: str, start: int, dialect: CsvDialect) -> int:
    """Return where the quote is that closes a field; -1 if none does."""
    at = start
    while (at := line.find(dialect.quote, at)) >= 0:
        if line.startswith(dialect.quote, at + 1):
            at += 2
            continue
        after = at + 1
        while after < len(line) and line[after] == " ":
            after += 1
        if after == len(line) or line[after] == dialect.delimiter:
            return at
        at += 1
    return -1
