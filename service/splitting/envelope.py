"""The JSON body ``{"source": ..., "data": [...]}``: the object is the array of ``data``.

ijson reads everything around the array. It is fed up to each ``[`` in turn, so that it tells at
once whether that is where ``data`` begins; then the records pass by it, and it is fed again from
their closing ``]``. What it sees is bounded, kept, and used to tell where an error is.

yajl's Python binding ends the process on an integer over 4,300 digits (CPython refuses to convert
it, the binding does not look), so such numbers are refused before they reach it. It also takes
form feeds for spaces, which JSON does not.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import ijson

from core.errors import MalformedInputError
from core.formats.json import first_error
from core.states import Format
from service.options import check_source, refuse_option_like
from service.splitting.base import Splitter
from service.splitting.dialect import UTF_8
from service.splitting.json_array import ArrayScan, truncated
from service.splitting.part_cutter import Split

MAX_ENVELOPE_BYTES: Final = 1024 * 1024
"""Bytes beside the array of records; what is known of them is kept in memory."""

_MAX_DIGITS: Final = 4300
_DIGITS: Final = b"0123456789"
_TOO_MANY_DIGITS: Final = re.compile(rb"(?<![0-9])[0-9]{%d}" % (_MAX_DIGITS + 1))
_NO_JSON: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_MAX_DEPTH: Final = 500
_STEP_BYTES: Final = 4096
_KEYS_LOOKED_AT: Final = 100
"""Keys beside source and data that are compared closely with the options: it takes time."""
_PARSER_ERRORS: Final = (ijson.JSONError, UnicodeDecodeError, ArithmeticError)
"""What ijson raises for a malformed body; anything else is a bug, and no fault of the client."""
_OPENING: Final = frozenset({"start_map", "start_array"})
_CLOSING: Final = frozenset({"end_map", "end_array"})


class EnvelopeSplitter(Splitter):
    """Splits a JSON body; ``source`` is known after ``close``."""

    format = Format.JSON

    def __init__(
        self, part_bytes: int, max_record_bytes: int, named_source: str | None = None
    ) -> None:
        """``named_source`` is for a body without one; where both are given they must be equal."""
        super().__init__()
        self.source = ""
        self._named_source = named_source
        self._part_bytes = part_bytes
        self._max_record_bytes = max_record_bytes
        self._around = _Around()
        self._scan: ArrayScan | None = None
        self._array_bytes = 0

    def split(self) -> Split:
        """The parts of the array."""
        parts = self._scan.cutter.finish() if self._scan else []
        records = self._scan.records if self._scan else 0
        return Split(self.format, None, self._array_bytes, records, parts, {"encoding": UTF_8})

    def _begin(self, bom: bytes) -> Iterator[bytes]:
        self._around.skipped = len(bom)
        return iter(())

    def _take(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            if self._scan is None or self._scan.closed:
                at = self._take_around(data, at)
                yield b""  # nothing to store yet, but time may have passed
                if self._scan and not self._scan.closed and self._array_bytes == 0:
                    yield self._count(b"[")
            else:
                yield from map(self._count, self._scan.feed(data[at:]))
                data, at = self._leave_array(), 0

    def _take_around(self, data: bytes, at: int) -> int:
        """Feed ijson up to the next ``[``; returns where it stopped."""
        limit = min(len(data), at + _STEP_BYTES)
        end = data.find(b"[", at, limit) + 1 or limit
        if self._around.feed(data[at:end]):
            start = self._around.position
            self._scan = ArrayScan(
                self._part_bytes, self._max_record_bytes, offset=start, base=start - 1
            )
        return end

    def _leave_array(self) -> bytes:
        """Hand over to ijson if the array has ended; returns what came behind it."""
        if self._scan is None or not self._scan.closed:
            return b""
        self._around.skip(self._array_bytes - 2)
        self._around.feed(b"]")
        return self._scan.rest

    def _count(self, stored: bytes) -> bytes:
        self._array_bytes += len(stored)
        return stored

    def _finish(self) -> Iterator[bytes]:
        if self._scan and not self._scan.closed:
            yield from map(self._count, self._scan.finish())
            yield from self._take(self._leave_array())
        self.source = self._around.close(self._named_source)

    def _flush(self) -> Iterator[bytes]:
        if self._scan and not self._scan.closed:
            yield from map(self._count, self._scan.flush())
            yield from self._take(self._leave_array())

    def _record(self) -> int | None:
        return self._scan.records + 1 if self._scan and not self._scan.closed else None


class _Around:
    """ijson on all that is not a record."""

    def __init__(self) -> None:
        self.skipped = 0
        """Bytes of the body that ijson has not seen: the byte order mark, the records."""
        self._text = bytearray()
        self._digits_from = 0
        self._skips: list[tuple[int, int]] = []
        self._events: list[tuple[str, Any]] = ijson.sendable_list()
        self._parser = ijson.basic_parse_coro(self._events)
        self._depth = 0
        self._key = ""
        self._seen: set[str] = set()
        self._others = 0

    @property
    def position(self) -> int:
        """Bytes of the body that have passed."""
        return self.skipped + len(self._text)

    def skip(self, count: int) -> None:
        """Tell that ``count`` bytes passed by."""
        self.skipped += count
        self._skips.append((len(self._text), count))

    def feed(self, data: bytes) -> bool:
        """Parse the next bytes; True if the last one is the ``[`` of ``data``."""
        end, refusal = self._first_refused(data)
        opened = end > 0 and self._parse(data[:end])  # to ijson, no bytes mean the end
        if refusal:
            raise refusal
        return opened

    def close(self, named_source: str | None) -> str:
        """Check that nothing is missing; returns the source, of the body or ``named_source``."""
        try:
            self._parser.close()
        except _PARSER_ERRORS as error:
            self._follow()
            raise self._malformed(error) from None
        self._follow()
        read = self._read_again()
        if "data" not in self._seen:
            raise MalformedInputError(
                "data_missing", 'The body lacks "data", the array of contacts.'
            )
        if "source" in self._seen:
            # ijson puts "?" for half a surrogate pair; json leaves it for check_source to refuse.
            source = check_source(read["source"])
            if named_source not in {None, source}:
                raise MalformedInputError(
                    "source_invalid", "The address and the body name different sources."
                )
            return source
        if named_source is None:
            raise MalformedInputError("source_missing", 'The body lacks "source".')
        return named_source

    def _read_again(self) -> Any:  # noqa: ANN401
        """Find what yajl does not mind: a last string that begins behind the object."""
        try:
            return json.loads(bytes(self._text))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self._malformed(error) from None

    def _parse(self, data: bytes) -> bool:
        self._text += data
        try:
            self._parser.send(data)
        except _PARSER_ERRORS as error:
            self._follow()
            raise self._malformed(error) from None
        return self._follow()

    def _follow(self) -> bool:
        """Look at all that ijson has told by now; True if that ends with the ``[`` of ``data``."""
        opened = False
        for event, value in self._events:
            opened = self._look(event, value)
        self._events.clear()
        return opened

    def _look(self, event: str, value: object) -> bool:
        """Follow one event; True if it opens the array of ``data``."""
        if self._depth == 0 and event not in {"start_map", "end_map"}:
            raise MalformedInputError(
                "data_missing", 'The body must be {"source": ..., "data": [...]}.'
            )
        if event == "map_key" and self._depth == 1:
            self._note_key(str(value))
        elif self._depth == 1 and event not in _CLOSING:
            self._check_value(event, value)
        opens = event == "start_array" and self._depth == 1 and self._key == "data"
        self._depth += (event in _OPENING) - (event in _CLOSING)
        if self._depth > _MAX_DEPTH:
            raise MalformedInputError(
                "nested_too_deeply", f"More than {_MAX_DEPTH} levels are nested."
            )
        return opens

    def _note_key(self, key: str) -> None:
        if key in self._seen and key in {"source", "data"}:
            raise MalformedInputError("duplicate_key", f'"{key}" is there twice.')
        self._key = key
        if key in {"source", "data"}:
            self._seen.add(key)
        else:
            self._others += 1
            refuse_option_like(key, closely=self._others <= _KEYS_LOOKED_AT)

    def _check_value(self, event: str, value: object) -> None:
        if self._key == "data" and event != "start_array":
            raise MalformedInputError("data_not_array", '"data" must be an array of contacts.')
        if self._key == "source":
            check_source(value)

    def _first_refused(self, data: bytes) -> tuple[int, MalformedInputError | None]:
        """How much of ``data`` ijson may see, and the error behind that."""
        refused: list[tuple[int, MalformedInputError]] = []
        start, room = len(self._text), MAX_ENVELOPE_BYTES - len(self._text)
        if len(data) > room:
            refused.append((room, _too_large()))
        if found := _NO_JSON.search(data):
            error = self._at(start + found.start(), "this control character is no JSON")
            refused.append((found.start(), error))
        if (end := self._digits_end(data)) is not None:
            refused.append((end, self._too_long(start + end - _MAX_DIGITS)))
        return min(refused, key=lambda found: found[0], default=(len(data), None))

    def _digits_end(self, data: bytes) -> int | None:
        """Where in ``data`` the first digit stands that is one too many."""
        text, start = self._text[self._digits_from :] + data, len(self._text) - self._digits_from
        self._digits_from += len(text.rstrip(_DIGITS))
        found = _TOO_MANY_DIGITS.search(text)
        return found.end() - 1 - start if found else None

    def _too_long(self, at: int) -> MalformedInputError:
        offset = self._offset(at)
        return MalformedInputError(
            "number_too_long", f"At byte {offset}: more than {_MAX_DIGITS} digits.", offset=offset
        )

    def _malformed(self, error: Exception) -> MalformedInputError:
        if isinstance(error, ArithmeticError):
            return MalformedInputError(
                "number_too_long", "A number's exponent has too many digits."
            )
        if isinstance(error, UnicodeDecodeError):
            return MalformedInputError("malformed_json", "A string has half of a surrogate pair.")
        if "premature EOF" in str(error) or "ncomplete JSON" in str(error):
            return truncated("too early")
        at, reason = first_error(self._text.decode("latin-1")) or (len(self._text), "no JSON")
        return self._at(at, reason)

    def _at(self, at: int, reason: str) -> MalformedInputError:
        offset = self._offset(at)
        return MalformedInputError("malformed_json", f"At byte {offset}: {reason}.", offset=offset)

    def _offset(self, at: int) -> int:
        """Where in the body the byte stands that is ``at`` in what ijson has seen."""
        after = sum(count for where, count in self._skips if where <= at)
        return at + after + self.skipped - sum(count for _, count in self._skips)


def _too_large() -> MalformedInputError:
    return MalformedInputError(
        "envelope_too_large",
        f'There are more than {MAX_ENVELOPE_BYTES} bytes beside the records in "data".',
    )
