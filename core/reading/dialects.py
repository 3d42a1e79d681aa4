"""The dialect of a CSV file: its delimiter and its quotes, by what makes its first rows regular."""

import csv
import re
from io import StringIO
from itertools import islice
from typing import Final

from core.formats.csv_dialect import CsvDialect, is_delimiter
from core.formats.csv_quotes import replace_escapes

USUAL_DELIMITERS: Final = (",", ";", "\t", "|")
UNUSUAL_DELIMITERS: Final = ("~", "^", ":")
"""Only for a header of known names that none of the usual ones divides."""
MAX_ROWS: Final = 300
"""Rows that are looked at."""

_SEP_LINE: Final = re.compile(r'"?sep=(.)"?(?:\r?\n|\r(?!\n)|\Z)', re.IGNORECASE)
_BACKSLASH_QUOTE: Final = re.compile(r'\\"(?![",;\t|~\r\n]|\Z)')
_SINGLE_QUOTED: Final = re.compile(r"\s*'[^'\r\n]*'(?:[,;\t|]'[^'\r\n]*')+\s*(?:[\r\n]|\Z)")


def named_delimiter(text: str) -> str | None:
    """Return the delimiter that a first line such as ``sep=;`` names, as Excel writes it."""
    match = _SEP_LINE.match(text)
    return match[1] if match and is_delimiter(match[1]) else None


def quotes_of(text: str, delimiter: str) -> CsvDialect:
    """Return the dialect with this delimiter that reads the quotes of a text best."""
    if delimiter != "'" and _SINGLE_QUOTED.match(text):
        return CsvDialect(delimiter=delimiter, quote="'")
    if '"' not in text:
        return CsvDialect(delimiter=delimiter)
    spaced = re.search(rf'{re.escape(delimiter)}[ ]+"', text) is not None
    plain = CsvDialect(delimiter=delimiter, skip_initial_space=spaced)
    if '\\"' not in text:
        return plain
    escaped = CsvDialect(delimiter=delimiter, skip_initial_space=spaced, backslash_escapes=True)
    if _BACKSLASH_QUOTE.search(text):
        return escaped
    return escaped if _irregular(text, escaped) < _irregular(text, plain) else plain


def rows_of(text: str, dialect: CsvDialect, *, complete: bool) -> list[list[str]]:
    """Return the first rows of a text, blank lines as empty ones; without one that is cut."""
    lines = StringIO(replace_escapes(text, dialect), newline="")
    rows = list(islice(csv.reader(lines, **dialect.options()), MAX_ROWS + 1))
    if not complete and len(rows) <= MAX_ROWS and len(rows) > 1:
        rows.pop()
    return rows[:MAX_ROWS]


def _irregular(text: str, dialect: CsvDialect) -> int:
    """Return how many of the first rows have another number of fields than the first one."""
    rows = [row for row in rows_of(text, dialect, complete=True) if row]
    return sum(len(row) != len(rows[0]) for row in rows)
