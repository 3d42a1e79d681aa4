"""The JSON body ``{"source": ..., "data": [...]}``: the object is the array of ``data``.

ijson parses everything outside the array, the envelope. It is fed up to each ``[`` in turn, so that
it shows at once whether that is where ``data`` begins; the records bypass it, and it is fed again
from their closing ``]``. What it is fed is limited and kept, to find the place of an error.

yajl's Python binding ends the process on an integer of more than 4,300 digits: CPython refuses to
convert it, and the binding does not check for that. Such numbers are rejected before it gets them.
It also accepts form feeds as spaces, which JSON does not.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import ijson

from core.errors import MalformedInputError
from core.formats.json import first_error
from core.states import Format
from service.option_names import check_envelope_key, check_source
from service.splitting.base import Splitter
from service.splitting.dialect import UTF_8
from service.splitting.json_array import ArraySplitter, truncated
from service.splitting.part_cutter import Split

MAX_ENVELOPE_BYTES: Final = 1024 * 1024
"""Bytes outside the array of records, which are kept in memory."""

_MAX_DIGITS: Final = 4300
_DIGITS: Final = b"0123456789"
_TOO_MANY_DIGITS: Final = re.compile(rb"(?<![0-9])[0-9]{%d}" % (_MAX_DIGITS + 1))
_CONTROL_CHARACTERS: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_MAX_DEPTH: Final = 500
_STEP_BYTES: Final = 4096
_CLOSELY_COMPARED_KEYS: Final = 100
"""Keys beside source and data that are compared closely with the options, which is slow."""
_PARSER_ERRORS: Final = (ijson.JSONError, UnicodeDecodeError, ArithmeticError)
"""What ijson raises for a malformed body; any other exception is a bug of the service."""
_OPENING: Final = frozenset({"start_map", "start_array"})
_CLOSING: Final = frozenset({"end_map", "end_array"})


class EnvelopeSplitter(Splitter):
    """Splits a JSON body with an envelope."""

    format = Format.JSON

    def __init__(
        self, part_bytes: int, max_record_bytes: int, named_source: str | None = None
    ) -> None:
        """``named_source`` is for a body without one; if there are two, they must be equal."""
        super().__init__()
        self._named_source = named_source
        self._part_bytes = part_bytes
        self._max_record_bytes = max_record_bytes
        self._envelope = _Envelope()
        self._array: ArraySplitter | None = None
        """Set once the ``[`` of ``data`` was reached."""
        self._array_bytes = 0

    def split(self) -> Split:
        """Return the parts of the array."""
        parts = self._array.cutter.finish() if self._array else []
        records = self._array.records if self._array else 0
        return Split(self.format, None, self._array_bytes, records, parts, {"encoding": UTF_8})

    def _begin(self, bom: bytes) -> Iterator[bytes]:
        self._envelope.skipped = len(bom)
        return iter(())

    def _take(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            if self._array is None or self._array.closed:
                at = self._take_envelope(data, at)
                yield b""  # nothing to store yet, but a chance to yield to other tasks
                if self._array and not self._array.closed and self._array_bytes == 0:
                    yield self._count(b"[")
            else:
                yield from map(self._count, self._array.feed(data[at:]))
                data, at = self._leave_array(), 0

    def _take_envelope(self, data: bytes, at: int) -> int:
        """Feed the envelope up to the next ``[``; return where it stopped."""
        limit = min(len(data), at + _STEP_BYTES)
        end = data.find(b"[", at, limit) + 1 or limit
        if self._envelope.feed(data[at:end]):
            start = self._envelope.position
            self._array = ArraySplitter(
                self._part_bytes, self._max_record_bytes, offset=start, base=start - 1
            )
        return end

    def _leave_array(self) -> bytes:
        """Continue the envelope if the array has ended; return what was received after it."""
        if self._array is None or not self._array.closed:
            return b""
        self._envelope.skip(self._array_bytes - 2)
        self._envelope.feed(b"]")
        return self._array.rest

    def _count(self, stored: bytes) -> bytes:
        self._array_bytes += len(stored)
        return stored

    def _finish(self) -> Iterator[bytes]:
        if self._array and not self._array.closed:
            yield from map(self._count, self._array.finish())
            yield from self._take(self._leave_array())
        self.source = self._envelope.close(self._named_source)

    def _flush(self) -> Iterator[bytes]:
        if self._array and not self._array.closed:
            yield from map(self._count, self._array.flush())
            yield from self._take(self._leave_array())

    def _record(self) -> int | None:
        return self._array.records + 1 if self._array and not self._array.closed else None


class _Envelope:
    """Parses and checks the text outside the array, by ijson."""

    def __init__(self) -> None:
        self.skipped = 0
        """Bytes of the body that ijson is not fed: the byte order mark, the records."""
        self._text = bytearray()
        self._digits_from = 0
        """Where in the text a number begins that its end may cut."""
        self._skips: list[tuple[int, int]] = []
        """Where in the text bytes were skipped, and how many."""
        self._events: list[tuple[str, Any]] = ijson.sendable_list()
        self._parser = ijson.basic_parse_coro(self._events)
        self._depth = 0
        self._key = ""
        self._seen: set[str] = set()
        self._other_keys = 0

    @property
    def position(self) -> int:
        """Bytes of the body so far."""
        return self.skipped + len(self._text)

    def skip(self, count: int) -> None:
        """Note that so many bytes of the body are not fed."""
        self.skipped += count
        self._skips.append((len(self._text), count))

    def feed(self, data: bytes) -> bool:
        """Parse the next bytes; return whether the last one is the ``[`` of ``data``."""
        end, error = self._first_forbidden(data)
        is_data_open = end > 0 and self._parse(data[:end])  # no bytes would mean the end to ijson
        if error:
            raise error
        return is_data_open

    def close(self, named_source: str | None) -> str:
        """Check that nothing is missing; return the body's source, or else ``named_source``."""
        try:
            self._parser.close()
        except _PARSER_ERRORS as error:
            self._check_events()
            raise self._malformed(error) from None
        self._check_events()
        try:
            # yajl accepts a last string that begins after the object.
            envelope = json.loads(bytes(self._text))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self._malformed(error) from None
        if "data" not in self._seen:
            raise MalformedInputError(
                "data_missing", 'The body lacks "data", the array of contacts.'
            )
        if "source" in self._seen:
            # ijson turns half a surrogate pair into "?"; json keeps it for check_source to reject.
            source = check_source(envelope["source"])
            if named_source not in {None, source}:
                raise MalformedInputError(
                    "source_invalid", "The address and the body name different sources."
                )
            return source
        if named_source is None:
            raise MalformedInputError("source_missing", 'The body lacks "source".')
        return named_source

    def _parse(self, data: bytes) -> bool:
        self._text += data
        try:
            self._parser.send(data)
        except _PARSER_ERRORS as error:
            self._check_events()
            raise self._malformed(error) from None
        return self._check_events()

    def _check_events(self) -> bool:
        """Check all events of ijson; return whether the last one opens the array of ``data``."""
        is_data_open = False
        for event, value in self._events:
            is_data_open = self._check_event(event, value)
        self._events.clear()
        return is_data_open

    def _check_event(self, event: str, value: object) -> bool:
        if self._depth == 0 and event not in {"start_map", "end_map"}:
            raise MalformedInputError(
                "data_missing", 'The body must be {"source": ..., "data": [...]}.'
            )
        if event == "map_key" and self._depth == 1:
            self._check_key(str(value))
        elif self._depth == 1 and event not in _CLOSING:
            if self._key == "data" and event != "start_array":
                raise MalformedInputError("data_not_array", '"data" must be an array of contacts.')
            if self._key == "source":
                check_source(value)
        is_data_open = event == "start_array" and self._depth == 1 and self._key == "data"
        self._depth += (event in _OPENING) - (event in _CLOSING)
        if self._depth > _MAX_DEPTH:
            raise MalformedInputError(
                "nested_too_deeply", f"More than {_MAX_DEPTH} levels are nested."
            )
        return is_data_open

    def _check_key(self, key: str) -> None:
        if key in self._seen and key in {"source", "data"}:
            raise MalformedInputError("duplicate_key", f'"{key}" is there twice.', param=key)
        self._key = key
        if key in {"source", "data"}:
            self._seen.add(key)
        else:
            self._other_keys += 1
            is_early = self._other_keys <= _CLOSELY_COMPARED_KEYS
            check_envelope_key(key, compare_closely=is_early)

    def _first_forbidden(self, data: bytes) -> tuple[int, MalformedInputError | None]:
        """Return how much of ``data`` ijson may be fed, and the error after that, if any."""
        errors: list[tuple[int, MalformedInputError]] = []
        start, room = len(self._text), MAX_ENVELOPE_BYTES - len(self._text)
        if len(data) > room:
            detail = f'There are more than {MAX_ENVELOPE_BYTES} bytes beside the records in "data".'
            errors.append((room, MalformedInputError("envelope_too_large", detail)))
        if match := _CONTROL_CHARACTERS.search(data):
            error = self._malformed_at(start + match.start(), "a control character is not JSON")
            errors.append((match.start(), error))
        if (end := self._too_many_digits_end(data)) is not None:
            offset = self._offset(start + end - _MAX_DIGITS)
            detail = f"At byte {offset}: more than {_MAX_DIGITS} digits."
            errors.append((end, MalformedInputError("number_too_long", detail, offset=offset)))
        return min(errors, key=lambda item: item[0], default=(len(data), None))

    def _too_many_digits_end(self, data: bytes) -> int | None:
        """Return where in ``data`` the first digit is that makes a number too long."""
        text, start = self._text[self._digits_from :] + data, len(self._text) - self._digits_from
        self._digits_from += len(text.rstrip(_DIGITS))
        match = _TOO_MANY_DIGITS.search(text)
        return match.end() - 1 - start if match else None

    def _malformed(self, error: Exception) -> MalformedInputError:
        if isinstance(error, ArithmeticError):
            return MalformedInputError(
                "number_too_long", "A number's exponent has too many digits."
            )
        if isinstance(error, UnicodeDecodeError):
            return MalformedInputError("malformed_json", "A string has half of a surrogate pair.")
        if "premature EOF" in str(error) or "ncomplete JSON" in str(error):
            return truncated("too early")
        at, reason = first_error(self._text.decode("latin-1")) or (len(self._text), "not JSON")
        return self._malformed_at(at, reason)

    def _malformed_at(self, at: int, reason: str) -> MalformedInputError:
        offset = self._offset(at)
        return MalformedInputError("malformed_json", f"At byte {offset}: {reason}.", offset=offset)

    def _offset(self, at: int) -> int:
        """Return where in the body the byte is that is at ``at`` in the text."""
        later = sum(count for where, count in self._skips if where > at)
        return at + self.skipped - later
