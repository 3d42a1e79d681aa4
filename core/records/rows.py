"""Rows of a CSV file as records: which cells are the fields, and which rows are none."""

import operator
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from core.formats.base import RecordRun
from core.formats.csv import CsvScanner, IrregularRows, Row, read_rows
from core.formats.csv_dialect import CsvDialect
from core.formats.csv_quotes import IrregularRow
from core.formats.formula_escaping import unescape_formulas
from core.reading.columns import has_address, is_address
from core.reading.plan import Place, ReadingPlan
from core.reading.rows import is_footer, is_repeated_header, may_be_footers
from core.reading.warnings import BLANK_ROW, FOOTER, REPEATED_HEADER
from core.records.limits import MAX_RECORD_BYTES
from core.records.models import Candidates, Skipped
from core.records.rejection_reasons import (
    MALFORMED_QUOTES,
    UNCLOSED_QUOTE,
    WRONG_FIELD_COUNT,
    Reason,
)

_MAX_SWALLOWED_LINES: Final = 1000
"""Lines of one cell in which a swallowed row is looked for."""


class CsvParser:
    """Parses rows; a record is the list of a row's fields."""

    def __init__(self, plan: ReadingPlan, offset: int) -> None:
        """``offset`` is the part's first byte in the object."""
        self.family_name_first = plan.family_name_first
        dialect = plan.csv or CsvDialect()
        self.scanner: CsvScanner[Row] = CsvScanner(
            read_rows, max_record_bytes=MAX_RECORD_BYTES, dialect=dialect, offset=offset
        )
        self._plan = plan
        self._delimiter = dialect.delimiter
        self._unescapes = plan.formulas_escaped
        places = plan.places
        self._names, self._emails = _positions(places.name), _positions(places.email)
        self._first_names = _positions(places.first_name)
        self._last_names = _positions(places.last_name)
        self._header_name = plan.header[self._names[0]] if self._names and plan.header else None

    def columns(self, records: Sequence[Row]) -> tuple[list[str], list[str]] | None:
        """None if a row has more or fewer fields than the header, or unusual quotes."""
        if set(map(len, records)) != {self._plan.columns} or isinstance(records, IrregularRows):
            return None
        emails = self._first_filled(records, self._emails)
        names = self._first_filled(records, self._names)
        if not (self._first_names or self._last_names):
            return names, emails
        halves = [
            _trimmed(self._first_filled(records, positions))
            for positions in (self._first_names, self._last_names)
        ]
        if self.family_name_first:
            halves.reverse()
        joined = [
            f"{one} {two}" if one and two else one or two for one, two in zip(*halves, strict=True)
        ]
        if self._names:
            joined = [name or both for name, both in zip(names, joined, strict=True)]
        return joined, emails

    def may_be_skipped(self, names: Sequence[Any], emails: Sequence[Any]) -> Iterable[int]:
        """Positions of rows without an e-mail that may be a footer, or the header once more."""
        if self._emails:
            return may_be_footers(names, emails) if "" in emails else ()
        header = self._header_name
        return [at for at, name in enumerate(names) if name == header]

    def candidates(self, record: Row) -> Candidates | Reason | Skipped:  # noqa: PLR0911
        """The cells of each field, in the order of the plan."""
        plan = self._plan
        if not any(cell and not cell.isspace() for cell in record):
            return Skipped(BLANK_ROW)
        if plan.has_header and is_repeated_header(record, plan.header):
            return Skipped(REPEATED_HEADER)
        if self._emails and is_footer(record):
            return Skipped(FOOTER)
        if isinstance(record, IrregularRow) and not (
            record.is_certain and len(record) == plan.columns
        ):
            return MALFORMED_QUOTES
        if len(record) != plan.columns and self._is_shifted(record):
            return WRONG_FIELD_COUNT
        if self._has_swallowed_a_row(record):
            return UNCLOSED_QUOTE
        return Candidates(
            self._cells(record, self._names),
            self._cells(record, self._first_names),
            self._cells(record, self._last_names),
            self._cells(record, self._emails),
        )

    def texts(self, run: RecordRun[Row]) -> Sequence[bytes]:
        """The fields of each row as a JSON array, whatever the delimiter in the file is."""
        return [msgspec.json.encode(list(row)) for row in run.records]

    def ignored_fields(self, run: RecordRun[Row], max_records: int) -> Iterable[str]:  # noqa: ARG002
        """Always empty: the service has read the header."""
        return ()

    def _is_shifted(self, row: Row) -> bool:
        """Return whether cells of a row of the wrong length are not in their columns.

        Missing cells at the end and empty surplus ones do no harm.
        """
        if any(map(str.strip, row[self._plan.columns :])):
            return True
        has_email = any(at < len(row) and has_address(row[at]) for at in self._emails)
        return not has_email and any(
            is_address(cell) for at, cell in enumerate(row) if at not in self._emails
        )

    def _has_swallowed_a_row(self, row: Row) -> bool:
        """Return whether a quote that was left open has taken a following row into a cell."""
        if not any("\n" in cell or "\r" in cell for cell in row):
            return False
        used = {*self._names, *self._emails, *self._first_names, *self._last_names}
        width = self._plan.columns
        for at, cell in enumerate(row):
            lines = cell.splitlines()[:_MAX_SWALLOWED_LINES]
            if len(lines) < 2:
                continue
            for line in lines:
                cells = line.split(self._delimiter)
                is_row = width > 1 and len(cells) >= width and any(map(is_address, cells))
                is_in_field = at in used and at not in self._emails and has_address(line)
                if is_row or is_in_field:
                    return True
        return False

    def _first_filled(self, rows: Sequence[Row], positions: Sequence[int]) -> list[str]:
        """Return a column: the first of these cells of each row that is filled."""
        if not positions:
            return [""] * len(rows)
        column = list(map(operator.itemgetter(positions[0]), rows))
        for position in positions[1:]:
            if "" in column:
                column = [cell or row[position] for cell, row in zip(column, rows, strict=True)]
        return list(map(unescape_formulas, column)) if self._unescapes else column

    def _cells(self, row: Row, positions: Sequence[int]) -> tuple[str, ...]:
        cells = (row[at] for at in positions if at < len(row))
        return tuple(map(unescape_formulas, cells) if self._unescapes else cells)


def _positions(places: Sequence[Place]) -> list[int]:
    return [place for place in places if isinstance(place, int)]


def _trimmed(column: list[str]) -> list[str]:
    """Return a column of which each cell is trimmed."""
    text = f"|{'|'.join(column)}|"
    if text.isprintable() and " |" not in text and "| " not in text:
        return column
    return [cell.strip() for cell in column]
