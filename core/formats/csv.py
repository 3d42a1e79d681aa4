"""Records of a CSV file (RFC 4180, read as leniently as Python's csv module reads it).

A record ends at LF, CRLF or CR outside quotes. A quote opens a quoted field only at the start of
the field; anywhere else it is plain text. Blank lines are not records. All structure is ASCII, the
delimiter included, so rows can be counted and found in Latin-1 text, where a character is a byte.

Python's csv module alone decides what a row is. Where a row ends in the bytes follows from the
number of lines that csv has read for it. A regular expression for rows would need possessive
quantifiers to take linear time, and Python before 3.11.5 matches those wrongly.
"""

import csv
import re
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from itertools import accumulate, pairwise
from typing import Any, Final, Generic, TypeVar

from core.errors import MalformedInputError
from core.formats.base import RecordRun, Span
from core.formats.csv_dialect import CsvDialect
from core.formats.csv_quotes import read_irregular, replace_escapes

T = TypeVar("T")
Row = list[str]

_DEFAULT: Final = CsvDialect()

_LINE_ENDS: Final = b"\r\n"
_SEARCH_BYTES: Final = 512
"""Bytes in which the start or the end of a row is looked for first."""
_LINE: Final = re.compile(rb"\n|\r\n?|\Z")
_FEW_LINES: Final = 8
"""Up to so many line ends are found one after the other, more by bisection."""
_END: Final = "\0end\0"
"""A line that we append to the text: csv returns it as a row unless a quote is still open."""

# csv's own limit on the size of a field is global: 128 KiB. The scanner checks ours before.
csv.field_size_limit(sys.maxsize)


class IrregularRows(list[Row]):
    """Rows of which some are IrregularRow."""


def read_rows(data: bytes, dialect: CsvDialect = _DEFAULT) -> tuple[Sequence[Row], int]:
    """Read UTF-8 text; returns its whole rows without blank ones, and how many bytes they take.

    If the text ends inside a quoted field, the last row is left out, with its bytes. If the quotes
    of a row are not those of RFC 4180, the rows are IrregularRows.
    """
    if _is_unquoted(data, dialect):
        lines = data.decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
        if "" in lines:
            lines = list(filter(None, lines))
        return [line.split(dialect.delimiter) for line in lines], len(data)
    text = replace_escapes(data.decode(), dialect)
    try:
        rows: list[Row] = list(filter(None, _reader(text, dialect, strict=True)))
    except csv.Error:  # text after a closing quote, or the text ends inside quotes
        rows = IrregularRows(filter(None, _read_leniently(text, dialect)))
    return rows, _whole_bytes(data, rows.pop())


def _read_leniently(text: str, dialect: CsvDialect) -> Iterator[Row]:
    """Yield the rows as csv reads them, those with irregular quotes as IrregularRow."""
    lines = StringIO(_ended(text) + _END, newline="").readlines()
    reader, start = _reader(text, dialect), 0
    known: dict[str, Row] = {}
    for row in reader:
        raw, start = "".join(lines[start : reader.line_num]), reader.line_num
        if dialect.quote not in raw:
            yield row
            continue
        if raw not in known:
            known[raw] = read_irregular(row, raw, dialect)
        yield known[raw]


def count_rows(data: bytes, dialect: CsvDialect = _DEFAULT) -> tuple[Sequence[int], int]:
    """Return as many numbers as ``read_rows`` returns rows, and the same number of bytes.

    It keeps no rows in memory.
    """
    if _is_unquoted(data, dialect):
        if not _has_blank_lines(data):
            return range(data.count(b"\n") + (not data.endswith(b"\n"))), len(data)
        return range(sum(map(bool, data.replace(b"\r\n", b"\n").split(b"\n")))), len(data)
    count, last = 0, [_END]
    for row in _reader(replace_escapes(data.decode("latin-1"), dialect), dialect):
        last = row
        count += bool(row)
    return range(count - 1), _whole_bytes(data, last)


class CsvScanner(Generic[T]):
    """Yields runs of rows; the header counts as a row."""

    def __init__(
        self,
        decode: Callable[[bytes, CsvDialect], tuple[Sequence[T], int]],
        *,
        max_record_bytes: int,
        dialect: CsvDialect = _DEFAULT,
        offset: int = 0,
        records: int = 0,
    ) -> None:
        """``decode`` is ``read_rows`` or ``count_rows``.

        ``records`` is the number of records before these bytes: -1 if they start with the header.
        """
        self.records = records
        self.dialect = dialect
        self._decode = decode
        self._max_record_bytes = max_record_bytes
        self._offset = offset
        self._buffer = bytearray()
        self._scan_at = 1

    def feed(self, data: bytes) -> Iterator[RecordRun[T]]:
        """Take the next bytes; yields the records they complete. Raises MalformedInputError."""
        self._buffer += data
        if len(self._buffer) >= self._scan_at:
            yield from self.flush()

    def close(self) -> Iterator[RecordRun[T]]:
        """End the input; yields the rest. Raises MalformedInputError if a quote is still open."""
        yield from self.flush()
        if self._buffer:
            run = self._up_to(len(self._buffer))
            if run is None or len(run.raw) < len(self._buffer):
                raise self._error("malformed_csv", "has a quote that is never closed.")
            self._buffer = bytearray()
            yield run

    def flush(self) -> Iterator[RecordRun[T]]:
        """Yield the rows that are complete by now, without waiting for more bytes."""
        while (run := self._next()) is not None:
            del self._buffer[: len(run.raw)]
            yield run
        if len(self._buffer) > self._max_record_bytes:
            limit = self._max_record_bytes
            raise self._error(
                "record_too_large", f"is longer than {limit} bytes. Is a quote in it never closed?"
            )
        self._scan_at = min(2 * len(self._buffer), self._max_record_bytes + 1)

    def spans(self, run: RecordRun[object]) -> list[Span]:
        """Return where each row of a run starts and ends, its line end included."""
        if _is_unquoted(run.raw, self.dialect):
            lines = run.raw.splitlines(keepends=True)
            of_lines = pairwise(accumulate(map(len, lines), initial=run.offset))
            if not _has_blank_lines(run.raw):
                return list(of_lines)
            return [
                span for span, line in zip(of_lines, lines, strict=True) if line.strip(_LINE_ENDS)
            ]
        if len(run.records) == 1:  # between the blank lines, however long it is
            start = len(run.raw) - len(run.raw.lstrip(_LINE_ENDS))
            end = _after_lines(run.raw, len(run.raw.rstrip(_LINE_ENDS)), 1)
            return [(run.offset + start, run.offset + end)]
        text = replace_escapes(run.raw.decode("latin-1"), self.dialect)
        rows = csv.reader(StringIO(text, newline=""), **self.dialect.options())
        spans: list[Span] = []
        end = lines_read = 0
        for row in rows:
            start, end = end, _after_lines(run.raw, end, rows.line_num - lines_read)
            lines_read = rows.line_num
            if row:
                spans.append((run.offset + start, run.offset + end))
        return spans

    def _next(self) -> RecordRun[T] | None:
        limit = min(len(self._buffer), self._max_record_bytes)
        limit += self._buffer[limit - 1 : limit + 1] == b"\r\n"  # never cut a CRLF in two
        end = self._buffer.rfind(b"\n", 0, limit) + 1
        return self._up_to(end) or self._up_to(self._after_bare_cr(limit))

    def _up_to(self, end: int) -> RecordRun[T] | None:
        """Return the rows that end at ``end`` or before; the line end there may be in quotes."""
        raw = bytes(self._buffer[:end])
        rows, whole = self._decode(raw, self.dialect) if raw else ((), 0)
        if whole == 0:
            return None
        run = RecordRun(self._offset, raw[:whole], 0, rows)
        self._offset += whole
        self.records += len(rows)
        return run

    def _after_bare_cr(self, limit: int) -> int:
        # A CR at the very end of the buffer may be the first half of a CRLF.
        return self._buffer.rfind(b"\r", 0, min(limit, len(self._buffer) - 1)) + 1

    def _error(self, code: str, reason: str) -> MalformedInputError:
        record = max(self.records + 1, 0) or None
        row = f"Record {record}" if record else "The header"
        return MalformedInputError(
            code,
            f"{row}, which starts at byte {self._offset}, {reason}",
            offset=self._offset,
            record=record,
        )


def _is_unquoted(data: bytes, dialect: CsvDialect) -> bool:
    """Whether each line of ``data`` is a row or blank: no quotes, line ends LF or CRLF."""
    if dialect.quote.encode() in data or dialect.skip_initial_space:
        return False
    # Searching for one byte is ten times as fast as for two, and most files have no CR.
    return b"\r" not in data or data.count(b"\r") == data.count(b"\r\n")


def _has_blank_lines(data: bytes) -> bool:
    """Whether there are blank lines in a text whose line ends are LF or CRLF."""
    # Searched from the end, which takes half as long: Python's search forwards stops at each LF.
    return (
        data.startswith((b"\n", b"\r\n"))
        or data.rfind(b"\n\n") >= 0
        or (b"\r" in data and data.rfind(b"\n\r\n") >= 0)
    )


def _whole_bytes(data: bytes, last: Row) -> int:
    """Return how many bytes of ``data`` are whole rows; ``last`` is the last row of ``_reader``."""
    if last == [_END]:
        return len(data)
    # The row is incomplete. Its line ends are all in quotes, where csv keeps them, so their number
    # is the number of lines at the end of ``data`` that belong to it.
    open_lines = sum(field.count("\n") + field.count("\r") - field.count("\r\n") for field in last)
    if not data.endswith((b"\n", b"\r")):
        open_lines -= 1  # the one that ``_reader`` has appended
    size = _SEARCH_BYTES
    while size < len(data) and count_line_ends(data, len(data) - size) <= open_lines:
        size *= 2
    positions = range(max(0, len(data) - size), len(data) + 1)
    return positions[bisect_left(positions, -open_lines, key=lambda at: -count_line_ends(data, at))]


def _after_lines(data: bytes, start: int, count: int) -> int:
    """Return where the next ``count`` lines end; the last one may lack its line end."""
    if count <= _FEW_LINES:
        for _ in range(count):
            start = _LINE.search(data, start).end()  # type: ignore[union-attr]  # always found
        return start
    size = _SEARCH_BYTES
    while start + size < len(data) and count_line_ends(data, start, start + size) < count:
        size *= 2
    positions = range(start, min(len(data), start + size))
    end = start + bisect_left(positions, count, key=lambda at: count_line_ends(data, start, at))
    return end + (data[end - 1 : end + 1] == b"\r\n")


def count_line_ends(data: bytes, start: int, end: int | None = None) -> int:
    """Return the number of line ends between two positions; CRLF is one.

    A row may have a million, so they are counted up to a few positions and never listed.
    """
    returns = data.count(b"\r", start, end)
    if returns:
        returns -= data.count(b"\r\n", start, end)
    return data.count(b"\n", start, end) + returns


def _reader(text: str, dialect: CsvDialect, *, strict: bool = False) -> Any:  # noqa: ANN401
    """Return csv's reader of the rows of ``text``, then ``[_END]`` unless it ends inside quotes."""
    lines = StringIO(_ended(text) + _END, newline="")
    return csv.reader(lines, strict=strict, **dialect.options())


def _ended(text: str) -> str:
    """Return a text with a line end at its end."""
    return text if text.endswith(("\n", "\r")) else text + "\n"
