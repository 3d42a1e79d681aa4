"""A JSON text with an envelope, as ``{"source": ..., "data": [...]}``: the object is the array.

ijson parses everything outside the array, the envelope. It is fed up to each ``[`` in turn, so that
it shows at once whether that is where the array begins; the records bypass it, and it is fed again
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
from core.reading.json_structure import (
    DATA,
    JsonPath,
    ambiguous_records,
    is_rival,
    quoted_path,
)
from core.reading.plan import ReadingPlan
from core.states import Format
from service.option_names import check_source, is_option_like, option_in_body
from service.splitting.base import Splitter
from service.splitting.json_array import ArraySplitter, truncated
from service.splitting.part_cutter import PartCutter, Split
from service.splitting.transcoding import Transcoder

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
    """Splits a JSON text with an envelope."""

    format = Format.JSON

    def __init__(  # noqa: PLR0913 -- four are those of every splitter
        self,
        plan: ReadingPlan,
        transcoder: Transcoder,
        part_bytes: int,
        max_record_bytes: int,
        *,
        path: JsonPath = DATA,
        is_file: bool = False,
        named_source: str | None = None,
    ) -> None:
        """``path`` is that of the array of records.

        ``is_file`` is whether another program may have written the text: then its keys are not
        compared with our options. ``named_source`` is the source that the address names; if a body
        names one, too, they must be equal.
        """
        super().__init__(plan, transcoder)
        self._named_source = named_source
        self._part_bytes = part_bytes
        self._max_record_bytes = max_record_bytes
        self._is_file = is_file
        self._envelope = _Envelope(path, is_file=is_file)
        self._array: ArraySplitter | None = None
        """Set once the ``[`` of the array was reached."""
        self._array_bytes = 0

    def split(self) -> Split:
        """Return the parts of the array."""
        cutter = self._array.cutter if self._array else PartCutter(self._part_bytes)
        return self._split(self._array_bytes, cutter)

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
        self._envelope.close()
        self.source = self._envelope.source()
        if not self._is_file and self.source and self._named_source not in {None, self.source}:
            raise MalformedInputError(
                "source_invalid", "The address and the body name different sources."
            )

    def _flush(self) -> Iterator[bytes]:
        if self._array and not self._array.closed:
            yield from map(self._count, self._array.flush())
            yield from self._take(self._leave_array())

    def _record(self) -> int | None:
        return self._array.records + 1 if self._array and not self._array.closed else None


class _Envelope:
    """Parses and checks the text outside the array, by ijson."""

    def __init__(self, path: JsonPath, *, is_file: bool) -> None:
        self.skipped = 0
        """Bytes of the body that ijson is not fed: the byte order mark, the records."""
        self._array_path = path
        self._is_own_shape = path == DATA and not is_file
        """Whether it can be ``{"source": ..., "data": [...]}``."""
        self._text = bytearray()
        self._digits_from = 0
        """Where in the text a number begins that its end may cut."""
        self._skips: list[tuple[int, int]] = []
        """Where in the text bytes were skipped, and how many."""
        self._events: list[tuple[str, Any]] = ijson.sendable_list()
        self._parser = ijson.basic_parse_coro(self._events)
        self._path: list[str | int] = []
        """Of the value that comes next, or of the open one; empty for the outermost."""
        self._in_array: list[bool] = []
        """For each open object or array, whether it is an array."""
        self._opens_array = False
        """Whether the last event opened an array other than that of the records."""
        self._found = False
        self._seen: set[str] = set()
        """Of ``source`` and ``data``, those that were there at the top."""
        self._other_keys = 0
        self._option: str | None = None
        """The first key at the top that resembles an option."""

    @property
    def position(self) -> int:
        """Bytes of the body so far."""
        return self.skipped + len(self._text)

    def skip(self, count: int) -> None:
        """Note that so many bytes of the body are not fed."""
        self.skipped += count
        self._skips.append((len(self._text), count))

    def feed(self, data: bytes) -> bool:
        """Parse the next bytes; return whether the last one is the ``[`` of the records."""
        end, error = self._first_forbidden(data)
        is_open = end > 0 and self._parse(data[:end])  # no bytes would mean the end to ijson
        if error:
            raise error
        return is_open

    def close(self) -> None:
        """Check that nothing is missing."""
        try:
            self._parser.close()
        except _PARSER_ERRORS as error:
            self._check_events()
            raise self._malformed(error) from None
        self._check_events()
        try:
            # yajl accepts a last string that begins after the object.
            json.loads(bytes(self._text))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self._malformed(error) from None
        if not self._found:
            what = '"data"' if self._array_path == DATA else quoted_path(self._array_path)
            raise MalformedInputError(
                "data_missing",
                f"The body lacks {what}, the array of contacts: send it, or the array alone.",
            )

    def source(self) -> str | None:
        """Return the source that the text names, if it has the form of a body of ours."""
        if "source" not in self._seen or self._array_path != DATA:
            return None
        # ijson turns half a surrogate pair into "?"; json keeps it for check_source to reject.
        source = json.loads(bytes(self._text))["source"]
        try:
            return check_source(source)
        except MalformedInputError:
            if self._is_own_shape:
                raise
            return None  # the key means something else there

    def _parse(self, data: bytes) -> bool:
        self._text += data
        try:
            self._parser.send(data)
        except _PARSER_ERRORS as error:
            self._check_events()
            raise self._malformed(error) from None
        return self._check_events()

    def _check_events(self) -> bool:
        """Check all events of ijson; return whether the last one opens the array of records."""
        is_open = False
        for event, value in self._events:
            is_open = self._check_event(event, value)
        self._events.clear()
        return is_open

    def _check_event(self, event: str, value: object) -> bool:
        depth = len(self._in_array)
        if depth == 0 and event not in _OPENING | _CLOSING:
            raise self._no_envelope()
        if event == "map_key":
            self._path[-1] = str(value)
            if depth == 1:
                self._check_key(str(value))
            return False
        if event in _CLOSING:
            self._in_array.pop()
            self._path.pop()
            return False
        if self._in_array and self._in_array[-1]:
            self._path[-1] = int(self._path[-1]) + 1
        is_open = self._check_value(event, value)
        if event in _OPENING:
            self._in_array.append(event == "start_array")
            self._path.append(-1 if event == "start_array" else "")
            if len(self._path) > _MAX_DEPTH:
                raise MalformedInputError(
                    "nested_too_deeply", f"More than {_MAX_DEPTH} levels are nested."
                )
        return is_open

    def _check_value(self, event: str, value: object) -> bool:
        """Check a value that begins; return whether it is the array of records."""
        depth, path = len(self._path), self._path
        if depth == 0:
            if event == "start_array" and not isinstance(self._array_path[0], int):
                raise self._no_envelope()
            return False
        opens_rival, self._opens_array = self._opens_array, False
        if event == "start_map" and opens_rival and path[-1] == 0:
            rival = tuple(path[:-1])
            if is_rival(rival, self._array_path):
                raise ambiguous_records([self._array_path, rival])
        if depth == 1 and path[0] == "source" and self._is_own_shape:
            check_source(value if event not in _OPENING else None)
        if depth == len(self._array_path) and tuple(path) == self._array_path:
            if event != "start_array":
                raise MalformedInputError(
                    "data_not_array",
                    f"{quoted_path(self._array_path)} must be an array of contacts.",
                )
            if self._found:
                raise self._duplicate_key(quoted_path(self._array_path))
            self._found = True
            return True
        self._opens_array = event == "start_array" and depth <= len(self._array_path)
        return False

    def _check_key(self, key: str) -> None:
        if key in {"source", "data"}:
            if key in self._seen:
                raise self._duplicate_key(key)
            self._seen.add(key)
        elif self._is_own_shape and self._option is None:
            self._other_keys += 1
            closely = self._other_keys <= _CLOSELY_COMPARED_KEYS
            self._option = key if is_option_like(key, closely=closely) else None
        if self._option is not None and "source" in self._seen:
            raise option_in_body(self._option)

    def _duplicate_key(self, key: str) -> MalformedInputError:
        return MalformedInputError("duplicate_key", f'"{key}" is there twice.', param=key)

    def _no_envelope(self) -> MalformedInputError:
        return MalformedInputError(
            "data_missing", 'The body must be {"source": ..., "data": [...]}, or an array.'
        )

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
