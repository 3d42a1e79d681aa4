"""The plan of a CSV file: its dialect, where its header is, and which columns hold what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.errors import MalformedInputError
from core.formats.csv_dialect import CsvDialect
from core.formats.formula_escaping import REJECTION_COLUMNS
from core.reading.assignment import Assignment, assign
from core.reading.columns import MAX_SAMPLE_ROWS, Column, describe, find_named, is_address
from core.reading.dialects import (
    UNUSUAL_DELIMITERS,
    USUAL_DELIMITERS,
    named_delimiter,
    quotes_of,
    rows_of,
)
from core.reading.header_row import HeaderRow, find_header
from core.reading.matching import HeaderMatch, match_header
from core.reading.options import ReadingOptions
from core.reading.plan import Field, PlanWarning, ReadingPlan
from core.reading.warnings import ROWS_ABOVE_HEADER

MAX_COLUMNS: Final = 16_384
"""As many as a spreadsheet can have."""

_OTHER: Final = HeaderMatch(is_other=True)
"""Of the columns that we have added to a file of rejections, such as the hint."""
_HEADER_ROWS: Final = 30
"""In so many rows the header is searched."""
_MAX_STORED_COLUMNS: Final = 1000
_MAX_STORED_CHARACTERS: Final = 16_384
"""Of a header that is stored: workers get it with each part."""
_QUOTED_COLUMNS: Final = 10
_QUOTED_CHARACTERS: Final = 40
"""Of a header that is quoted in an error."""
_MAX_CELLS: Final = 200_000
"""Cells that are looked at, the missing ones included."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """The first rows of a text by one dialect."""

    dialect: CsvDialect
    rows: list[list[str]]
    """Blank lines are empty."""
    header: HeaderRow
    score: float
    """How well its cells are known as names of columns."""

    @property
    def rank(self) -> tuple[float, ...]:
        """Sort key: the best reading has the greatest."""
        width = len(self.header.names)
        below = [row for row in self.rows[self.header.at + 1 :] if row]
        regular = sum(len(row) == width for row in below)
        return (self.score, width > 1, regular / len(below) if below else 0.0)


def plan_csv(text: str, options: ReadingOptions, *, complete: bool) -> ReadingPlan:
    """Return the plan of a CSV file that begins with ``text``.

    ``complete`` is whether that is all of it; else it may be cut anywhere. Raises
    MalformedInputError: ``csv_header_unusable`` if no row names a known column, if a mapped column
    is missing or there are too many; and as ``assign`` does.
    """
    text = text.lstrip("\ufeff")
    reading = _best_reading(text, options, complete=complete)
    if options.has_header is False:
        return _plan_without_header(reading, options, has_sep_line=bool(named_delimiter(text)))
    if not any(reading.rows):
        raise _unusable("The file is empty: its first row must name the columns.")
    header = reading.header.names
    if len(header) > MAX_COLUMNS:
        raise _unusable(f"There are more than {MAX_COLUMNS} columns.")
    columns = _columns(header, [row for row in reading.rows[reading.header.at + 1 :] if row])
    named = _named_columns(columns, options, _quoted(header, reading.dialect))
    if not named and any(is_address(cell) for cell in header):
        raise _header_missing(header, columns)
    assignment = assign(columns, named, options)
    if not assignment.places.used:
        raise _unusable(
            f"None of the columns is a name or an email. {_quoted(header, reading.dialect)} Say "
            f"which is which in the address, such as ?map={_example(header)}:name, or rename them.",
            columns,
        )
    skipped = sum(bool(row) for row in reading.rows[: reading.header.at])
    reported = sum(bool(row) for row in reading.rows[: reading.header.first])
    reported -= reported > 0 and named_delimiter(text) is not None
    warnings = (PlanWarning(ROWS_ABOVE_HEADER, reported),) if reported else ()
    return _plan(
        assignment,
        reading.dialect,
        header,
        skipped_rows=skipped,
        warnings=(*warnings, *assignment.warnings),
    )


def _plan(  # noqa: PLR0913 -- what a plan is made of
    assignment: Assignment,
    dialect: CsvDialect,
    header: Sequence[str],
    *,
    has_header: bool = True,
    skipped_rows: int = 0,
    warnings: tuple[PlanWarning, ...] = (),
) -> ReadingPlan:
    fits = len(header) <= _MAX_STORED_COLUMNS and sum(map(len, header)) <= _MAX_STORED_CHARACTERS
    return ReadingPlan(
        places=assignment.places,
        csv=dialect,
        columns=len(header),
        header=tuple(name.replace("\0", "\ufffd") for name in header) if fits else (),
        has_header=has_header,
        skipped_rows=skipped_rows,
        family_name_first=assignment.family_name_first,
        certainty=assignment.certainty,
        warnings=warnings,
    )


def _best_reading(text: str, options: ReadingOptions, *, complete: bool) -> _Reading:
    """Read the text by each delimiter that it may have; return the best of the readings."""
    delimiter = options.delimiter or named_delimiter(text)
    if delimiter:
        return _read(text, delimiter, options, complete=complete)
    readings = [_read(text, each, options, complete=complete) for each in USUAL_DELIMITERS]
    best = max(readings, key=lambda reading: reading.rank)
    if options.has_header is not False and best.rows and len(best.header.names) <= 1:
        # These occur in ordinary text: they need two known columns and regular rows.
        others = (
            _read(text, each, options, complete=complete)
            for each in UNUSUAL_DELIMITERS
            if each in text
        )
        good = [each for each in others if each.score >= 2 and each.rank[2] == 1]
        best = max((best, *good), key=lambda reading: reading.rank)
    return best


def _read(text: str, delimiter: str, options: ReadingOptions, *, complete: bool) -> _Reading:
    dialect = quotes_of(text, delimiter)
    rows = rows_of(text, dialect, complete=complete)
    first_rows = rows[:_HEADER_ROWS]
    if options.has_header is False:
        addresses = any(is_address(cell) for row in first_rows for cell in row)
        header = HeaderRow(names=rows[0] if rows else ())
        return _Reading(dialect, rows, header, float(addresses))
    header = find_header(first_rows, {name for name, _ in options.mapping})
    return _Reading(dialect, rows, header, header.score)


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Column]:
    """Return the columns with the values of the first rows.

    The columns that we have added to a file of rejections hold no fields.
    """
    sample = rows[: max(1, min(MAX_SAMPLE_ROWS, _MAX_CELLS // max(1, len(header))))]
    is_ours = tuple(header[: len(REJECTION_COLUMNS)]) == REJECTION_COLUMNS
    first_of: dict[str, int] = {}
    for at, name in enumerate(header):
        first_of.setdefault(name, at)
    return [
        Column(
            place=at,
            name=name,
            map=name if name.strip() and first_of[name] == at else str(at + 1),
            match=_OTHER if is_ours and at < len(REJECTION_COLUMNS) else match_header(name),
            values=[row[at] if at < len(row) else "" for row in sample],
        )
        for at, name in enumerate(header)
    ]


def _named_columns(
    columns: Sequence[Column], options: ReadingOptions, quoted: str
) -> list[tuple[Column, Field]]:
    """Return the columns that the client names. Raises MalformedInputError if one is missing."""
    named: list[tuple[Column, Field]] = []
    for name, field in options.mapping:
        column = find_named(columns, name)
        if column is None:
            raise _unusable(f"No column is named {name!r}. {quoted}", columns)
        named.append((column, field))
    return named


def _plan_without_header(
    reading: _Reading, options: ReadingOptions, *, has_sep_line: bool
) -> ReadingPlan:
    """Return the plan of a file whose first row is a record; columns are named by their number."""
    rows = [row for row in reading.rows if row][has_sep_line:]
    width = max((len(row) for row in rows), default=0)
    if width > MAX_COLUMNS:
        raise _unusable(f"There are more than {MAX_COLUMNS} columns.")
    columns = _columns([""] * width, rows)
    for number, _ in options.mapping:
        if not number.isdecimal() or not 0 < int(number[:9]) <= width:
            raise _unusable(
                f"Without a header a column is named by its number, from 1 to {width}; {number!r} "
                "is none of these. Write ?header=none&map=1:email.",
                columns,
            )
    named = [(columns[int(number) - 1], field) for number, field in options.mapping]
    assignment = assign(columns, named, options)
    if not assignment.places.used:
        raise _unusable(
            "No column holds addresses. Say what a column holds, by its number: ?map=1:name.",
            columns,
        )
    return _plan(
        assignment,
        reading.dialect,
        [""] * width,
        has_header=False,
        skipped_rows=int(has_sep_line),
        warnings=assignment.warnings,
    )


def _header_missing(header: Sequence[str], columns: Sequence[Column]) -> MalformedInputError:
    """Return the error of a file whose first row has an address, so that it is a person."""
    cells = [cell.strip() for cell in header]
    email = next(at for at, cell in enumerate(cells, 1) if is_address(cell))
    name = next((at for at, cell in enumerate(cells, 1) if " " in cell and "@" not in cell), None)
    also = f"&map={name}:name" if name else ""
    return _unusable(
        "The first row names no columns, since it has an address. If the file has no header, say "
        f"so, and name the columns by their numbers: ?header=none&map={email}:email{also}. "
        "Otherwise put a row above it with the names of the columns.",
        columns,
    )


def _unusable(detail: str, columns: Sequence[Column] = ()) -> MalformedInputError:
    return MalformedInputError("csv_header_unusable", detail, columns=describe(columns))


def _quoted(header: Sequence[str], dialect: CsvDialect) -> str:
    columns = ", ".join(repr(column[:_QUOTED_CHARACTERS]) for column in header[:_QUOTED_COLUMNS])
    more = ", ..." if len(header) > _QUOTED_COLUMNS else ""
    divided = f", divided by {dialect.delimiter!r}" if len(header) > 1 else ""
    return f"The columns are {columns or 'none'}{more}{divided}."


def _example(header: Sequence[str]) -> str:
    return next((column for column in header if column.isalnum() and len(column) < 40), "Column")
