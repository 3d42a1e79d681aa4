"""Records of newline-delimited JSON (NDJSON, JSON Lines): each line is one JSON value.

Lines end at LF, with or without a CR before it; lines of white space are not records. As with
arrays, the usual case is fast: msgspec decodes many whole lines in one call. It does not check
where lines end, so the result is right only if no line end is inside an array or an object, and if
there are as many values as lines that are not blank. Otherwise, and where msgspec raises an error,
each line is decoded separately.
"""

import re
from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise
from typing import Final, Generic, TypeVar

import msgspec

from core.errors import MalformedInputError
from core.formats.base import RecordRun, Span
from core.formats.json import NESTED_TOO_DEEPLY, first_error

T = TypeVar("T")

_LINE_END: Final = b"\n"
_LINE: Final = re.compile(rb"[^\n]+\n?|\n")
_SPACE: Final = b" \t\r\n"
_FILLED_LINE: Final = re.compile(rb"[^ \t\r\n][^\n]*")
_BLANK_LINE: Final = re.compile(rb"(?:\A|\n)[ \t\r]*\n")
_NESTED_LINE_END: Final = re.compile(rb"[\[{,:][ \t\r]*\n|\n[ \t\r]*[,:\]}]")
"""Line ends between two tokens of an array or an object match, or one of several does."""
_RUN_BYTES: Final = 64 * 1024
"""Bytes of lines that are decoded separately before they are yielded as a run."""


class NdjsonScanner(Generic[T]):
    """Yields runs of lines, to the end of the input or of a part."""

    def __init__(
        self,
        decode_lines: Callable[[bytes], list[T]],
        decode_record: Callable[[bytes], T],
        *,
        max_record_bytes: int,
        offset: int = 0,
    ) -> None:
        """``decode_lines`` decodes lines; it must raise an error of msgspec for invalid JSON.

        ``decode_record`` decodes a single record that is known to be valid JSON.
        """
        self.records = 0
        self._decode_lines = decode_lines
        self._decode_record = decode_record
        self._max_record_bytes = max_record_bytes
        self._offset = offset
        self._lines = 0
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[RecordRun[T]]:
        """Take the next bytes; yields the records they complete. Raises MalformedInputError."""
        self._buffer += data
        if _LINE_END in data or len(self._buffer) > self._max_record_bytes:
            yield from self.flush()

    def close(self) -> Iterator[RecordRun[T]]:
        """End the input; the last line need not have a line end. Raises MalformedInputError."""
        yield from self.flush()
        if self._buffer:
            last, self._buffer = bytes(self._buffer), bytearray()
            yield self._decode_separately(last)

    def flush(self) -> Iterator[RecordRun[T]]:
        """Yield the lines that are complete by now. Raises MalformedInputError."""
        data, at = bytes(self._buffer), 0
        # A line may have as many bytes as the limit, and its LF.
        while end := data.rfind(_LINE_END, at, at + self._max_record_bytes + 1) + 1:
            run = self._decode(data[at:end])
            at += len(run.raw)
            yield run
        self._buffer = bytearray(data[at:])
        if len(self._buffer) > self._max_record_bytes:
            reason = f"longer than {self._max_record_bytes} bytes"
            raise self._error("record_too_large", self._lines + 1, 0, 0, reason)

    def spans(self, run: RecordRun[object]) -> list[Span]:
        """Return where each line of a run starts and ends, its line end included."""
        lines = _LINE.findall(run.raw)
        of_lines = pairwise(accumulate(map(len, lines), initial=run.offset))
        return [span for span, line in zip(of_lines, lines, strict=True) if line.strip(_SPACE)]

    def _decode(self, raw: bytes) -> RecordRun[T]:
        """Decode these whole lines, or the first of them."""
        blank = len(raw) - len(raw.lstrip(_SPACE))
        if blank == len(raw):
            return self._run(raw, blank, [])
        if _are_objects(raw) or _NESTED_LINE_END.search(raw) is None:
            records = self._decode_together(raw)
            if records is not None and len(records) == _filled_lines(raw):
                return self._run(raw, raw.rfind(_LINE_END, 0, blank) + 1, records)
        return self._decode_separately(raw)

    def _decode_together(self, raw: bytes) -> list[T] | None:
        try:
            return self._decode_lines(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def _decode_separately(self, raw: bytes) -> RecordRun[T]:
        records: list[T] = []
        lead, size = 0, 0
        for number, line in enumerate(_LINE.finditer(raw), self._lines + 1):
            if line[0].strip(_SPACE):
                lead = lead if records else line.start()
                records.append(self._decode_line(line, number, len(records)))
            size = line.end()
            if size >= _RUN_BYTES:
                break
        return self._run(raw[:size], lead if records else size, records)

    def _decode_line(self, line: re.Match[bytes], number: int, before: int) -> T:
        records = self._decode_together(line[0])
        if records is not None and len(records) == 1:
            return records[0]
        if error := first_error(line[0].decode("latin-1")):
            position, reason = error
            code = "nested_too_deeply" if reason == NESTED_TOO_DEEPLY else "malformed_json"
            raise self._error(code, number, line.start() + position, before, reason)
        return self._decode_record(line[0].strip(_SPACE))

    def _run(self, raw: bytes, lead: int, records: list[T]) -> RecordRun[T]:
        run = RecordRun(self._offset, raw, lead, records)
        self._offset += len(raw)
        self._lines += raw.count(_LINE_END)
        self.records += len(records)
        return run

    def _error(
        self, code: str, line: int, at: int, before: int, reason: str
    ) -> MalformedInputError:
        offset, record = self._offset + at, self.records + before + 1
        return MalformedInputError(
            code, f"Line {line}, at byte {offset}: {reason}.", offset=offset, record=record
        )


def _filled_lines(raw: bytes) -> int:
    """Return the number of lines that are not blank."""
    if _BLANK_LINE.search(raw) is None:
        return raw.count(_LINE_END)
    return sum(1 for _ in _FILLED_LINE.finditer(raw))


def _are_objects(raw: bytes) -> bool:
    """Whether each line starts and ends with a brace."""
    end = b"}\r\n" if raw.endswith(b"\r\n") else b"}\n"
    between = raw.count(end + b"{")
    return raw.startswith(b"{") and raw.endswith(end) and between == raw.count(_LINE_END) - 1
