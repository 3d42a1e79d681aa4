"""JSON objects one after the other, over several lines or with commas between them.

The object in Storage is newline-delimited JSON: each record becomes a line, in which blanks stand
for its line ends. Nothing is lost by that: a string cannot contain a line end in JSON.
"""

import json
import json.scanner
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from core.errors import MalformedInputError
from core.formats.json import NESTED_TOO_DEEPLY, first_error
from core.reading.plan import ReadingPlan
from core.states import Format
from service.splitting.base import Splitter
from service.splitting.part_cutter import PartCutter, Split
from service.splitting.transcoding import Transcoder

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_SEPARATION: Final = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")
_ENDS_TO_BLANKS: Final = bytes.maketrans(b"\r\n", b"  ")
_RUN_BYTES: Final = 64 * 1024
_RUN_RECORDS: Final = 512
"""Bytes and number of lines that are yielded together."""
_LONGEST_TOKEN: Final = 12
"""An error this close to the end of the data may be a token cut in two."""


def _reject_constant(name: str) -> None:
    """NaN and Infinity are not JSON."""
    raise ValueError(name)


# Latin-1 text, in which a character is a byte; numbers stay text, since conversion takes long.
_scan: Callable[[str, int], tuple[object, int]] = json.scanner.make_scanner(
    cast("Any", json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_reject_constant))
)


class JsonSequenceSplitter(Splitter):
    """Makes a line of each object, and cuts the parts between lines."""

    format = Format.NDJSON

    def __init__(
        self, plan: ReadingPlan, transcoder: Transcoder, part_bytes: int, max_record_bytes: int
    ) -> None:
        super().__init__(plan, transcoder)
        self._cutter = PartCutter(part_bytes)
        self._max_record_bytes = max_record_bytes
        self._size = 0
        self._offset = 0
        """Bytes of the body before the buffer."""
        self._buffer = bytearray()
        self._scan_at = 1

    def split(self) -> Split:
        """Return the parts of the lines."""
        return self._split(self._size, self._cutter)

    def _begin(self, bom: bytes) -> Iterator[bytes]:
        self._offset = len(bom)
        return iter(())

    def _take(self, data: bytes) -> Iterator[bytes]:
        self._buffer += data
        if len(self._buffer) >= self._scan_at:
            yield from self._flush()

    def _flush(self) -> Iterator[bytes]:
        return self._pass(final=False)

    def _finish(self) -> Iterator[bytes]:
        yield from self._pass(final=True)
        if self._cutter.records == 0:
            raise MalformedInputError("data_missing", "There is no record in the text.")

    def _record(self) -> int | None:
        return self._cutter.records + 1

    def _pass(self, *, final: bool) -> Iterator[bytes]:
        data = bytes(self._buffer)
        text, at, lines = data.decode("latin-1"), 0, []
        while True:
            separation = _SEPARATION if self._cutter.records else _SPACE
            start = cast("re.Match[str]", separation.match(text, at)).end()
            if start == len(text):
                # A comma that ends the data is found again with what follows it.
                at = start if "," not in text[at:start] or final else at
                break
            end = self._value_end(text, start, final=final)
            if end is None:
                break
            line = data[start:end].translate(_ENDS_TO_BLANKS) + b"\n"
            self._cutter.add_records([(self._size, self._size + len(line))])
            self._size += len(line)
            lines.append(line)
            at = end
            if len(lines) >= _RUN_RECORDS or len(lines) * len(line) >= _RUN_BYTES:
                yield b"".join(lines)
                lines.clear()
        self._offset += at
        self._buffer = bytearray(data[at:])
        self._scan_at = min(2 * len(self._buffer), self._max_record_bytes + _LONGEST_TOKEN)
        yield b"".join(lines)

    def _value_end(self, text: str, start: int, *, final: bool) -> int | None:
        """Return where the object at ``start`` ends; None if more text is needed."""
        if text[start] != "{":
            raise self._error("malformed_json", start, "expecting an object")
        try:
            _, end = _scan(text, start)
        except (StopIteration, ValueError, RecursionError):
            self._raise_unless_cut(text, start, final=final)
            return None
        if end - start > self._max_record_bytes:
            raise self._too_large(start)
        return end

    def _raise_unless_cut(self, text: str, start: int, *, final: bool) -> None:
        position, reason = first_error(text[start:]) or (0, "this is not JSON")
        if reason == NESTED_TOO_DEEPLY:
            raise self._error("nested_too_deeply", start, reason)
        is_cut = (
            reason.startswith("unterminated string")
            or start + position + _LONGEST_TOKEN >= len(text)
            or position + _LONGEST_TOKEN >= self._max_record_bytes
        )
        if not is_cut:
            raise self._error("malformed_json", start + position, reason)
        if len(text) - start > self._max_record_bytes:
            raise self._too_large(start)
        if final:
            raise self._error("malformed_json", start + position, reason)

    def _too_large(self, start: int) -> MalformedInputError:
        return self._error("record_too_large", start, f"longer than {self._max_record_bytes} bytes")

    def _error(self, code: str, at: int, reason: str) -> MalformedInputError:
        offset, record = self._offset + at, self._cutter.records + 1
        detail = f"At byte {offset}, record {record}: {reason}."
        return MalformedInputError(code, detail, offset=offset, record=record)
