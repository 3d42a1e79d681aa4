"""Records of a JSON array, found and checked against RFC 8259 as the bytes arrive.

The usual case is fast: the bytes up to some closing brace are wrapped in brackets and decoded by
msgspec, which checks the whole grammar. If it accepts them, they are whole records, since how JSON
is read never depends on what follows a closing brace, or on what follows a comma, before which they
may end as well. If it raises an error (the brace or comma was inside a record, the array ends here,
a lone surrogate, invalid JSON), fewer bytes are tried, and in the end the standard library's
scanner reads one record after the other. It reads Latin-1 text, where a character is a byte, and
all of JSON's structure is ASCII, so its positions are byte offsets.

UTF-8 is not checked here (see core.formats.encoding). Lone surrogates in escapes are valid grammar.
"""

import gc
import json
import json.scanner
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Generic, NoReturn, TypeVar, cast

import msgspec

from core.errors import MalformedInputError
from core.formats.base import RecordRun, Span

T = TypeVar("T")

_SPACE_BYTES: Final = b" \t\n\r"
_SPACE: Final = re.compile(rb"[ \t\n\r]*")
_TEXT_SPACE: Final = re.compile(r"[ \t\n\r]*")
_NUMBER_START: Final = "-0123456789"
_NUMBER_FOLLOWERS: Final = " \t\n\r,]"
_CANDIDATES: Final = 4
"""Closing braces at which the fast way is tried before it is tried with fewer bytes."""
_SMALL_VALUES_BYTES: Final = 8 * 1024
"""Bytes that are tried at most where they end with a comma: thousands of values, in some 0.2 ms."""
SEPARATION: Final = re.compile(rb"[ \t\n\r]*,[ \t\n\r]*")
"""What is between two records."""
_CONSTANT: Final = re.compile(r'"[^"]*"|(-?Infinity|NaN)')
"""NaN or Infinity outside strings, in a text in which no string has an escaped quote."""
_RUN_RECORDS: Final = 512
"""Records that are read one by one before they are yielded as a run: a millisecond or two."""
_RUN_BYTES: Final = 64 * 1024
"""And how many bytes they may have."""
NESTED_TOO_DEEPLY: Final = "nested too deeply"
"""Reason for an error in a value that may be valid JSON."""
_LONGEST_TOKEN: Final = 12
"""An error this close to the end of the data may be a token cut in two (``\\ud83d\\ude``)."""
_OPEN: Final = ord("{")
_CLOSE: Final = ord("]")
_COMMA: Final = ord(",")


class _NotJsonError(Exception):
    """The text has NaN or Infinity, which the standard library accepts by default."""


def _reject_constant(_: str) -> NoReturn:
    raise _NotJsonError


# Numbers stay text: converting a million digits would take minutes. (Typeshed's type of the
# scanner's context is wrong.)
_scan: Callable[[str, int], tuple[object, int]] = json.scanner.make_scanner(
    cast("Any", json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_reject_constant))
)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Pause the garbage collector, which would look for cycles in what the scanner builds.

    There are none, but for a megabyte of empty arrays that takes longer than everything else.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _IncompleteError(Exception):
    """More bytes are needed to decide whether this is a record or ``error``."""

    def __init__(self, error: MalformedInputError) -> None:
        self.error = error


class JsonScanner(Generic[T]):
    """Yields runs of records, from after the array's ``[`` to its ``]`` or the end of a part."""

    def __init__(
        self,
        decode_array: Callable[[bytes], list[T]],
        decode_record: Callable[[bytes], T],
        *,
        max_record_bytes: int,
        offset: int = 0,
    ) -> None:
        """``decode_array`` decodes an array; it must raise an error of msgspec for invalid JSON.

        ``decode_record`` decodes a single record that is known to be valid JSON.
        """
        self.records = 0
        self.closed = False
        """True once the ``]`` of the array was read; ``rest`` has the bytes after it."""
        self.rest = b""
        self._decode_array = decode_array
        self._decode_record = decode_record
        self._max_record_bytes = max_record_bytes
        self._offset = offset
        self._buffer = bytearray()
        self._scan_at = 1
        self._after_value = False

    def feed(self, data: bytes) -> Iterator[RecordRun[T]]:
        """Take the next bytes; yields the records they complete. Raises MalformedInputError."""
        if len(self._buffer) + len(data) < self._scan_at:
            self._buffer += data
        else:
            yield from self._drain(b"".join((self._buffer, data)), final=False, may_wait=True)

    def close(self) -> Iterator[RecordRun[T]]:
        """End the input, in which the array's ``]`` may be missing; yields the rest.

        Raises MalformedInputError if a record is incomplete.
        """
        yield from self._drain(bytes(self._buffer), final=True)

    def flush(self) -> Iterator[RecordRun[T]]:
        """Yield the records that are complete by now, without waiting for more bytes."""
        yield from self._drain(bytes(self._buffer), final=False)

    def spans(self, run: RecordRun[object]) -> list[Span]:
        """Return where each record of a run starts and ends."""
        if len(run.spans) == len(run.records):
            return list(run.spans)
        if len(run.records) == 1:
            return [(run.start, run.end)]
        with _no_garbage_collection():
            return list(self._find_spans(run))

    def _find_spans(self, run: RecordRun[object]) -> Iterator[Span]:
        text, at = run.raw.decode("latin-1"), run.lead
        for _ in run.records:
            at = _skip_space(run.raw, at)
            _, end = _scan(text, at)
            yield run.offset + at, run.offset + end
            at = _skip_space(run.raw, end) + 1

    def _drain(self, data: bytes, *, final: bool, may_wait: bool = False) -> Iterator[RecordRun[T]]:
        at = 0
        while (run := self._next(data, at, final=final, may_wait=may_wait)) is not None:
            at += len(run.raw)
            self.records += len(run.records)
            self._offset += len(run.raw)
            yield run
        if self.closed:
            self.rest, at = self.rest + data[at:], len(data)
        self._buffer = bytearray(data[at:])
        self._scan_at = min(2 * len(self._buffer), self._max_record_bytes + 1)

    def _next(self, data: bytes, at: int, *, final: bool, may_wait: bool) -> RecordRun[T] | None:
        first = _skip_space(data, at)
        if self.closed or at == len(data):
            return None
        if first < len(data) and data[first] == _CLOSE and (self._after_value or self.records == 0):
            self.closed = True
            return RecordRun(self._offset, data[at : first + 1], 0, ())
        expects_comma = self._after_value and first < len(data)
        start = self._after_comma(data, at, first) if expects_comma else first
        if start == len(data):  # white space is not kept: there may be gigabytes of it
            self._after_value = self._after_value and not expects_comma
            return RecordRun(self._offset, data[at:], 0, ())
        if may_wait and _is_unclosed_object(data, start):
            return None
        if run := self._decode_together(data, at, start):
            return run
        with _no_garbage_collection():
            return self._decode_one_by_one(data[at:], start - at, final=final)

    def _after_comma(self, data: bytes, at: int, comma: int) -> int:
        """Return where the record after a comma begins; raises MalformedInputError."""
        if data[comma] != _COMMA:
            raise self._malformed(
                comma - at, self.records, "expected a comma or the closing ] after a record"
            )
        return _skip_space(data, comma + 1)

    def _decode_together(self, data: bytes, at: int, first: int) -> RecordRun[T] | None:
        view = memoryview(data)
        for end in _ends(data, first, min(len(data), first + self._max_record_bytes)):
            try:
                records = self._decode_array(b"".join((b"[", view[first:end], b"]")))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
            self._after_value = True
            return RecordRun(self._offset, data[at:end], first - at, records)
        return None

    def _decode_one_by_one(self, data: bytes, first: int, *, final: bool) -> RecordRun[T] | None:
        text = data.decode("latin-1")
        records: list[T] = []
        spans: list[Span] = []
        start, end = first, first
        try:
            while start < len(data) and len(records) < _RUN_RECORDS and end - first < _RUN_BYTES:
                end = self._record_end(text, start, len(records), final=final)
                records.append(self._decode_record(data[start:end]))
                spans.append((self._offset + start, self._offset + end))
                separation = SEPARATION.match(data, end)
                if separation is None:
                    break
                start = separation.end()
        except _IncompleteError as incomplete:
            if final:
                raise incomplete.error from None
        if not records:
            return None
        self._after_value = True
        return RecordRun(self._offset, data[:end], first, records, spans)

    def _record_end(self, text: str, start: int, before: int, *, final: bool) -> int:
        number = self.records + before + 1
        try:
            _, end = _scan(text, start)
        except (StopIteration, json.JSONDecodeError, _NotJsonError, RecursionError) as error:
            self._raise_scan_error(text, start, number, error)
        if end - start > self._max_record_bytes:
            raise self._too_large(start, number)
        if text[start] in _NUMBER_START and not final:
            self._check_number_end(text, end, number)
        return end

    def _check_number_end(self, text: str, end: int, number: int) -> None:
        if end == len(text) or text[end] not in _NUMBER_FOLLOWERS:
            error = self._malformed(end, number, "this is not a number")
            if end + _LONGEST_TOKEN >= len(text):
                raise _IncompleteError(error)
            raise error

    def _raise_scan_error(self, text: str, start: int, number: int, error: Exception) -> NoReturn:
        position, reason, is_cut = _explain(text, start, error)
        malformed = self._malformed(position, number, reason)
        if isinstance(error, RecursionError):
            raise MalformedInputError(
                "nested_too_deeply",
                f"Record {number} is nested too deeply.",
                offset=malformed.offset,
                record=number,
            ) from None
        # An error beyond the size limit counts as one of size: the bytes with it might not have
        # arrived yet when the limit was exceeded.
        beyond = position + _LONGEST_TOKEN - start >= self._max_record_bytes
        if not (is_cut or beyond) and position + _LONGEST_TOKEN < len(text):
            raise malformed from None
        if len(text) - start > self._max_record_bytes:
            raise self._too_large(start, number) from None
        raise _IncompleteError(malformed) from None

    def _malformed(self, position: int, number: int, reason: str) -> MalformedInputError:
        offset = self._offset + position
        return MalformedInputError(
            "malformed_json",
            f"At byte {offset}, record {number}: {reason}.",
            offset=offset,
            record=number,
        )

    def _too_large(self, start: int, number: int) -> MalformedInputError:
        offset = self._offset + start
        return MalformedInputError(
            "record_too_large",
            f"Record {number}, at byte {offset}, is longer than {self._max_record_bytes} bytes.",
            offset=offset,
            record=number,
        )


def _ends(data: bytes, first: int, limit: int) -> Iterator[int]:
    """Yield positions up to ``limit`` at which records may end, the most promising one first.

    Those are after a brace, and before a comma, for records that are not objects. Bytes up
    to a wrong one are read in vain, so the later ones are half as far away each time.
    """
    end = limit
    for _ in range(_CANDIDATES):
        end = data.rfind(b"}", first, end)
        if end < 0:
            break
        yield end + 1
    while limit > first:
        comma = data.rfind(b",", first, min(limit, first + _SMALL_VALUES_BYTES))
        brace = data.rfind(b"}", first, limit) + 1
        if comma > first:
            yield first + len(data[first:comma].rstrip(_SPACE_BYTES))
        if brace > first:
            yield brace
        limit = first + (max(comma, brace, first) - first) // 2


def _is_unclosed_object(data: bytes, first: int) -> bool:
    """Whether this is an object without a closing brace: an error in it can be found later.

    Each piece of a body ends with one. A long one is better read before all of it has arrived.
    """
    return data[first] == _OPEN and len(data) - first < _RUN_BYTES and data.find(b"}", first) < 0


def _skip_space(data: bytes, at: int) -> int:
    match = _SPACE.match(data, at)
    return match.end() if match else at


def first_error(text: str) -> tuple[int, str] | None:
    """Return position and reason of the error in a text that should be one JSON value.

    None if there is no error.
    """
    start = cast("re.Match[str]", _TEXT_SPACE.match(text)).end()
    try:
        with _no_garbage_collection():
            _, end = _scan(text, start)
    except (StopIteration, json.JSONDecodeError, _NotJsonError, RecursionError) as error:
        return _explain(text, start, error)[:2]
    end = cast("re.Match[str]", _TEXT_SPACE.match(text, end)).end()
    return (end, "nothing may follow the value") if end < len(text) else None


def _explain(text: str, start: int, error: Exception) -> tuple[int, str, bool]:
    """Return position and reason of the scanner's error, and whether more text could mend it."""
    if isinstance(error, json.JSONDecodeError):
        is_cut = error.msg.startswith("Unterminated string")
        reason = error.msg[:1].lower() + error.msg[1:].removesuffix(" at").removesuffix(" starting")
        return error.pos, reason, is_cut
    if isinstance(error, StopIteration):
        return int(error.value), "expecting a value", False
    if isinstance(error, _NotJsonError):
        return _constant_position(text, start), "NaN and Infinity are not JSON", False
    return start, NESTED_TOO_DEEPLY, False


def _constant_position(text: str, start: int) -> int:
    """Return the position of the first NaN or Infinity after ``start`` outside strings."""
    # Double backslashes go first: only the last of an odd number of backslashes escapes a quote.
    strings = text.replace("\\\\", "__").replace('\\"', "__")
    positions = (match.start(1) for match in _CONSTANT.finditer(strings, start) if match[1])
    return next(positions, start)
