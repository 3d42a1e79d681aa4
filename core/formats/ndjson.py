"""Records of newline-delimited JSON (NDJSON, JSON Lines): each line is one value.

Lines end at LF, with or without a CR before it; lines of nothing but white space are no records.
As with arrays, the usual case is fast: msgspec decodes all whole lines at once. It does not mind
where lines end, so that is right only if each line end stands between two braces, where no value
can go on, and if there are as many values. Else, and where it refuses something, each line is
looked at alone.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

import msgspec

from core.errors import MalformedInputError
from core.formats.base import Run, Span
from core.formats.json import NESTED, first_error

T = TypeVar("T")

_LINE_END: Final = b"\n"
_LINE: Final = re.compile(rb"[^\n]+\n?|\n")
_SPACE: Final = b" \t\r\n"
_AT_ONCE: Final = 64 * 1024
"""Bytes of lines that are looked at one by one before a run is handed out."""


class NdjsonScanner(Generic[T]):
    """Runs of lines, to the end of the input or of a part."""

    def __init__(
        self,
        decode_lines: Callable[[bytes], list[T]],
        decode_record: Callable[[bytes], T],
        *,
        max_record_bytes: int,
        offset: int = 0,
    ) -> None:
        """``decode_lines`` decodes lines, and must refuse what is no JSON by a msgspec error.

        ``decode_record`` gets a single record of which the grammar is known to be right.
        """
        self.records = 0
        self._decode_lines = decode_lines
        self._decode_record = decode_record
        self._max_record = max_record_bytes
        self._offset = offset
        self._lines = 0
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Run[T]]:
        """Take the next bytes; yields what they complete. Raises MalformedInputError."""
        self._buffer += data
        if _LINE_END in data or len(self._buffer) > self._max_record:
            yield from self.flush()

    def close(self) -> Iterator[Run[T]]:
        """Tell that no more bytes come; the last line need not have an end."""
        yield from self.flush()
        if self._buffer:
            last, self._buffer = bytes(self._buffer), bytearray()
            yield self._one_by_one(last)

    def flush(self) -> Iterator[Run[T]]:
        """Yield the lines that are complete by now."""
        data, at = bytes(self._buffer), 0
        # A line may have as many bytes as the bound, and its LF.
        while end := data.rfind(_LINE_END, at, at + self._max_record + 1) + 1:
            run = self._run(data[at:end])
            at += len(run.raw)
            yield run
        self._buffer = bytearray(data[at:])
        if len(self._buffer) > self._max_record:
            raise self._refusal(
                "record_too_large", self._lines + 1, 0, 0, f"longer than {self._max_record} bytes"
            )

    def spans(self, run: Run[object]) -> list[Span]:
        """Where exactly each line of a run begins and ends, its line end included."""
        lines = (found for found in _LINE.finditer(run.raw) if found[0].strip(_SPACE))
        return [(run.offset + line.start(), run.offset + line.end()) for line in lines]

    def _run(self, raw: bytes) -> Run[T]:
        """These whole lines, or the first of them."""
        records = self._decoded(raw) if _are_objects(raw) else None
        if records is None or len(records) != raw.count(_LINE_END):
            return self._one_by_one(raw)
        return self._found(raw, 0, records)

    def _decoded(self, raw: bytes) -> list[T] | None:
        try:
            return self._decode_lines(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def _one_by_one(self, raw: bytes) -> Run[T]:
        records: list[T] = []
        lead, size = 0, 0
        for number, line in enumerate(_LINE.finditer(raw), self._lines + 1):
            if line[0].strip(_SPACE):
                lead = lead if records else line.start()
                records.append(self._record(line, number, len(records)))
            size = line.end()
            if size >= _AT_ONCE:
                break
        return self._found(raw[:size], lead if records else size, records)

    def _record(self, line: re.Match[bytes], number: int, before: int) -> T:
        records = self._decoded(line[0])
        if records is not None and len(records) == 1:
            return records[0]
        if error := first_error(line[0].decode("latin-1")):
            position, reason = error
            code = "nested_too_deeply" if reason == NESTED else "malformed_json"
            raise self._refusal(code, number, line.start() + position, before, reason)
        return self._decode_record(line[0].strip(_SPACE))

    def _found(self, raw: bytes, lead: int, records: list[T]) -> Run[T]:
        run = Run(self._offset, raw, lead, records)
        self._offset += len(raw)
        self._lines += raw.count(_LINE_END)
        self.records += len(records)
        return run

    def _refusal(
        self, code: str, line: int, at: int, before: int, reason: str
    ) -> MalformedInputError:
        offset, record = self._offset + at, self.records + before + 1
        return MalformedInputError(
            code, f"Line {line}, at byte {offset}: {reason}.", offset=offset, record=record
        )


def _are_objects(raw: bytes) -> bool:
    """Whether each line begins and ends with a brace."""
    end = b"}\r\n" if raw.endswith(b"\r\n") else b"}\n"
    between = raw.count(end + b"{")
    return raw.startswith(b"{") and raw.endswith(end) and between == raw.count(_LINE_END) - 1
