"""Records of a CSV file (RFC 4180, read as leniently as Python's csv module reads it).

A record ends at LF, CRLF or CR outside quotes; a quote opens a quoted field only at the field's
start, so a stray one is plain text. Blank lines are no records. Structure is ASCII, the delimiter
included, so positions are found on Latin-1 text, where a character is a byte.
"""

import csv
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from io import StringIO
from typing import Final, Generic, NamedTuple, TypeVar

from config.errors import MalformedInput
from config.formats.runs import Run, Span

T = TypeVar("T")
Row = list[str]

COMMA: Final = ","

_BLANK: Final = rb"(?:\r\n?|\n)++"
_BLANK_LINES: Final = re.compile(_BLANK)
_is_delimiter: Final = re.compile(r"[\t!#-/:-@[-`{-~]").fullmatch


class _Patterns(NamedTuple):
    """What csv makes of a text, without the fields: csv takes its time with each line."""

    row: re.Pattern[bytes]
    """One row with its line end; it does not match where a quote is still open."""
    lines: re.Pattern[bytes]
    whole: re.Pattern[bytes]


@cache
def _patterns(delimiter: str) -> _Patterns:
    d = re.escape(delimiter.encode())
    field = rb'(?:"(?:[^"]++|"")*+"[^%b\r\n]*+|[^"%b\r\n][^%b\r\n]*+|)' % (d, d, d)
    row = rb"(?!\Z)%b(?:%b%b)*+(?:\r\n?|\n|\Z)" % (field, d, field)
    return _Patterns(
        re.compile(row),
        re.compile(rb"%b|(?P<row>%b)|(?s:.++)" % (_BLANK, row)),
        re.compile(rb"(?:%b|%b)*+" % (_BLANK, row)),
    )


_END: Final = "\0end\0"
"""A line of our own behind the text: it comes back as a row unless a quote is still open."""

# Our own bound on a record's size is checked before, in bytes; csv's is a global of 128 KiB.
csv.field_size_limit(sys.maxsize)


def is_delimiter(text: str) -> bool:
    """Whether fields can be divided by it: one ASCII mark that is no quote, or a tab."""
    return _is_delimiter(text) is not None


def read_rows(data: bytes, delimiter: str = COMMA) -> Sequence[Row] | None:
    """The rows that are not blank; None if the text (UTF-8) ends inside a quoted field."""
    if _is_plain(data):
        lines = data.decode().replace("\r\n", "\n").removesuffix("\n")
        return [line.split(delimiter) for line in lines.split("\n")]
    rows = list(_reader(data.decode(), delimiter))
    if rows.pop() != [_END]:
        return None
    return rows if [] not in rows else [row for row in rows if row]


def count_rows(data: bytes, delimiter: str = COMMA) -> Sequence[int] | None:
    """As many numbers as ``read_rows`` would give rows, without keeping a row in memory."""
    if _is_plain(data):
        return range(data.count(b"\n") + (not data.endswith(b"\n")))
    count, last = 0, None
    for row in _reader(data.decode("latin-1"), delimiter):
        last = row
        count += bool(row)
    return range(count - 1) if last == [_END] else None


def first_row(data: bytes, delimiter: str) -> tuple[Row, bool]:
    """The first row that is not blank, as far as it has come, and whether that is all of it."""
    blank = _BLANK_LINES.match(data)
    start = blank.end() if blank else 0
    found = _patterns(delimiter).row.match(data, start)
    text = found[0] if found else data[start:]
    lines = StringIO(text.decode("utf-8", "ignore"), newline="")
    # A CR at the very end of what has come may be the first half of a CRLF.
    ended = text.endswith(b"\n") or (text.endswith(b"\r") and start + len(text) < len(data))
    return next(csv.reader(lines, delimiter=delimiter), []), ended and found is not None


class CsvRuns(Generic[T]):
    """Runs of rows; the header, being a row, is the first."""

    def __init__(
        self,
        decode: Callable[[bytes, str], Sequence[T] | None],
        *,
        max_record_bytes: int,
        delimiter: str = COMMA,
        offset: int = 0,
        records: int = 0,
    ) -> None:
        """``decode`` is ``read_rows`` or ``count_rows``; ``records`` came before these bytes."""
        self.records = records
        self.delimiter = delimiter
        self._decode = decode
        self._patterns = _patterns(delimiter)
        self._max_record = max_record_bytes
        self._offset = offset
        self._buffer = bytearray()
        self._wanted = 1

    def feed(self, data: bytes) -> Iterator[Run[T]]:
        """Take the next bytes; yields what they complete. Raises MalformedInput."""
        self._buffer += data
        if len(self._buffer) >= self._wanted:
            yield from self.flush()

    def close(self) -> Iterator[Run[T]]:
        """Tell that no more bytes come. Raises MalformedInput if a quote is still open."""
        yield from self.flush()
        if self._buffer:
            run = self._run(bytes(self._buffer))
            if run is None:
                raise self._unclosed()
            self._buffer = bytearray()
            yield run

    def flush(self) -> Iterator[Run[T]]:
        """Yield what is complete by now, also where more bytes were wanted first."""
        while (run := self._next()) is not None:
            del self._buffer[: len(run.raw)]
            yield run
        if len(self._buffer) > self._max_record:
            raise self._too_large()
        self._wanted = min(2 * len(self._buffer), self._max_record + 1)

    def spans(self, run: Run[object]) -> list[Span]:
        """Where exactly each row of a run begins and ends, its line end included."""
        lines = self._patterns.lines.finditer(run.raw)
        rows = (found.span() for found in lines if found.lastgroup == "row")
        return [(run.offset + start, run.offset + end) for start, end in rows]

    def _next(self) -> Run[T] | None:
        limit = min(len(self._buffer), self._max_record)
        limit += self._buffer[limit - 1 : limit + 1] == b"\r\n"  # never to be cut in two
        end = self._buffer.rfind(b"\n", 0, limit) + 1
        return self._up_to(end) or self._up_to(self._after_bare_cr(limit))

    def _up_to(self, end: int) -> Run[T] | None:
        """The rows that end there or before."""
        if end == 0:
            return None
        whole = bytes(self._buffer[:end])
        run = self._run(whole)
        if run is None:  # the line end found is one inside quotes
            end = self._whole_bytes(whole)
            run = self._run(whole[:end]) if end else None
        return run

    def _whole_bytes(self, data: bytes) -> int:
        """Where the last row that is whole, or blank line, ends."""
        found = self._patterns.whole.match(data)
        return found.end() if found else 0

    def _after_bare_cr(self, limit: int) -> int:
        # A CR at the very end of what has come may be the first half of a CRLF.
        return self._buffer.rfind(b"\r", 0, min(limit, len(self._buffer) - 1)) + 1

    def _run(self, raw: bytes) -> Run[T] | None:
        rows = self._decode(raw, self.delimiter)
        if rows is None:
            return None
        offset, self._offset = self._offset, self._offset + len(raw)
        self.records += len(rows)
        return Run(offset, raw, 0, rows)

    def _too_large(self) -> MalformedInput:
        return self._refusal(
            "record_too_large",
            f"is longer than {self._max_record} bytes. Is a quote in it never closed?",
        )

    def _unclosed(self) -> MalformedInput:
        return self._refusal("malformed_csv", "has a quote that is never closed.")

    def _refusal(self, code: str, reason: str) -> MalformedInput:
        record = self.records + 1 or None
        row = f"Record {record}" if record else "The header"
        return MalformedInput(
            code,
            f"{row}, which starts at byte {self._offset}, {reason}",
            offset=self._offset,
            record=record,
        )


def _is_plain(data: bytes) -> bool:
    """Whether each line of ``data`` is a row: no quotes, no blank lines, LF or CRLF."""
    if b'"' in data or data.startswith((b"\n", b"\r\n")) or b"\n\n" in data:
        return False
    # One byte is looked for ten times as fast as two, and most files have none of these.
    return b"\r" not in data or not (b"\n\r\n" in data or data.count(b"\r") != data.count(b"\r\n"))


def _reader(text: str, delimiter: str) -> Iterator[Row]:
    """Rows of ``text``, then ``[_END]`` of its own unless the text ends inside quotes."""
    line_end = "" if text.endswith(("\n", "\r")) else "\n"
    return csv.reader(StringIO(text + line_end + _END, newline=""), delimiter=delimiter)
