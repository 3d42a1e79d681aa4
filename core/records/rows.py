"""Rows of a CSV file as records: which cells are the fields, and which rows are none."""

import re
from collections.abc import Hashable, Iterable, Sequence
from typing import Final

import msgspec

from core.formats.base import RecordRun
from core.formats.csv import CsvScanner, IrregularRows, Row, count_line_ends, read_rows
from core.formats.csv_dialect import CsvDialect
from core.formats.csv_quotes import IrregularRow
from core.formats.formula_escaping import unescape_formulas
from core.reading.columns import has_address, is_address
from core.reading.plan import Place, ReadingPlan
from core.reading.warnings import BLANK_ROW, CELLS_MISSING, QUOTES_GUESSED
from core.records.columns import Columns, run_columns
from core.records.limits import MAX_RECORD_BYTES
from core.records.models import Candidates, Skipped
from core.records.rejection_reasons import (
    MALFORMED_QUOTES,
    UNCLOSED_QUOTE,
    WRONG_FIELD_COUNT,
    Reason,
)
from core.records.repair import MAX_CELL
from core.records.skipping import SkippedRows

_MAY_BE_ADDRESS: Final = re.compile(r"[^@]*@[^\s@<>()\[\],;:\"|/\\]+").fullmatch
_encode_lines: Final = msgspec.json.Encoder().encode_lines
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
        self._plan_quote, self._quote = dialect.quote, dialect.quote.encode()
        self._skipping = SkippedRows(plan)

    def columns(self, run: RecordRun[Row]) -> Columns:
        """Suspects are also rows of unusual length, form or text, and those that may be none."""
        records, width = run.records, self._plan.columns
        suspects = self._suspicious_rows(run)
        if suspects:
            blank = [""] * width
            records = [blank if at in suspects else row for at, row in enumerate(records)]
        names, emails, empty = run_columns(
            len(records),
            suspects,
            names=self._columns(records, self._names),
            first_names=self._columns(records, self._first_names),
            last_names=self._columns(records, self._last_names),
            emails=self._columns(records, self._emails),
            family_name_first=self.family_name_first,
        )
        suspects |= self._skipping.suspects(names, emails)
        skipped: list[tuple[int, str]] = []
        if empty or suspects:
            nameless = [at for at in suspects if not names[at] or names[at].isspace()]
            texts = [(at, "".join(run.records[at])) for at in (*empty, *nameless)]
            blank_rows = {at for at, text in texts if not text or text.isspace()}
            skipped = [(at, BLANK_ROW) for at in blank_rows]
            suspects = (suspects | set(empty)) - blank_rows
            for at in blank_rows:
                names[at] = emails[at] = ""
        return Columns(names, emails, suspects, [], skipped)

    def _suspicious_rows(self, run: RecordRun[Row]) -> set[int]:
        """Positions of rows that have not one plain cell for each column of the header."""
        records, width = run.records, self._plan.columns
        suspects: set[int] = set()
        if set(map(len, records)) - {width}:
            suspects.update(at for at, row in enumerate(records) if len(row) != width)
        if isinstance(records, IrregularRows):
            irregular = enumerate(records)
            suspects.update(at for at, row in irregular if isinstance(row, IrregularRow))
        if self._quote in run.raw and count_line_ends(run.raw, 0) != len(records):
            texts = map("".join, records)
            suspects.update(at for at, text in enumerate(texts) if "\n" in text or "\r" in text)
        return suspects

    def may_be_no_record(self, name: str) -> bool:
        """Whether the name may begin a footer, or the header once more."""
        return self._skipping.may_be_one(name)

    def memo_key(self, record: Row) -> Hashable:
        """The cells; with irregular quotes, also whether they are certain."""
        if isinstance(record, IrregularRow):
            return (record.is_certain, *record)
        return tuple(record)

    def candidates(self, record: Row) -> Candidates | Reason | Skipped:  # noqa: PLR0911
        """The cells of each field, in the order of the plan."""
        text = "".join(record)
        if not text or text.isspace():
            return Skipped(BLANK_ROW)
        if "@" not in text and (code := self._skipping.code(record)):
            return Skipped(code)
        if isinstance(record, IrregularRow) and not (
            record.is_certain and len(record) == self._plan.columns
        ):
            return MALFORMED_QUOTES
        if len(record) != self._plan.columns and self._is_shifted(record):
            return WRONG_FIELD_COUNT
        if ("\n" in text or "\r" in text) and self._has_swallowed_a_row(record):
            return UNCLOSED_QUOTE
        found = Candidates(
            self._cells(record, self._names),
            self._cells(record, self._first_names),
            self._cells(record, self._last_names),
            self._cells(record, self._emails),
        )
        if isinstance(record, IrregularRow):
            return found._replace(warnings=(QUOTES_GUESSED,))
        if len(record) < self._plan.columns and self._may_be_half(found):
            is_lacking = self._lacks_fields(found)
            if is_lacking and any(cell.count(self._plan_quote) % 2 for cell in record):
                return WRONG_FIELD_COUNT
            return found._replace(warnings=(CELLS_MISSING,))
        return found

    def _may_be_half(self, found: Candidates) -> bool:
        """Return whether a short row may be half of a row with a line break that is not quoted.

        One with an address and a name is whole enough.
        """
        return self._lacks_fields(found) or not any(map(str.strip, found.emails))  # type: ignore[arg-type]

    def _lacks_fields(self, found: Candidates) -> bool:
        """Return whether a short row has no cell for a field that has columns."""
        if (self._emails and not found.emails) or (self._names and not found.names):
            return True
        if any(map(str.strip, found.names)):  # type: ignore[arg-type]
            return False
        return bool(
            (self._first_names and not found.first_names)
            or (self._last_names and not found.last_names)
        )

    def texts(self, run: RecordRun[Row]) -> Sequence[bytes]:
        """The fields of each row as a JSON array, whatever the delimiter in the file is."""
        # JSON text has no line ends of its own. (Subclasses of lists are encoded as lists.)
        return _encode_lines(run.records).split(b"\n")[:-1]

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
            _is_address(cell) for at, cell in enumerate(row) if at not in self._emails
        )

    def _has_swallowed_a_row(self, row: Row) -> bool:
        """Return whether a quote that was left open has taken a following row into a cell."""
        used = {*self._names, *self._emails, *self._first_names, *self._last_names}
        width = self._plan.columns
        for at, cell in enumerate(row):
            lines = cell.splitlines()[:_MAX_SWALLOWED_LINES]
            if len(lines) < 2:
                continue
            for line in lines:
                cells = line.split(self._delimiter)
                is_row = width > 1 and len(cells) >= width and any(map(_is_address, cells))
                is_in_field = at in used and at not in self._emails and has_address(line)
                if is_row or is_in_field:
                    return True
        return False

    def _columns(self, rows: Sequence[Row], positions: Sequence[int]) -> list[list[str]]:
        columns = [[row[position] for row in rows] for position in positions]
        if self._unescapes:
            return [list(map(unescape_formulas, column)) for column in columns]
        return columns

    def _cells(self, row: Row, positions: Sequence[int]) -> tuple[str, ...]:
        cells = [row[at] for at in positions if at < len(row)]
        return tuple(map(unescape_formulas, cells) if self._unescapes else cells)


def _is_address(cell: str) -> bool:
    """Return whether a cell is an address, in linear time for one of any length."""
    return (
        len(cell) <= MAX_CELL
        and _MAY_BE_ADDRESS(cell.rstrip(" \t\r\n'\">.,;\u201d")) is not None
        and is_address(cell)
    )


def _positions(places: Sequence[Place]) -> list[int]:
    return [place for place in places if isinstance(place, int)]
