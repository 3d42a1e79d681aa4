"""Records of a JSON array, found and checked against RFC 8259 while the bytes pass.

The usual case is fast: the bytes up to some closing brace are wrapped in brackets and handed to
msgspec, which knows the whole grammar. If it accepts them, they are whole records, since how JSON
is read never depends on what follows a closing brace. If it refuses (the brace was a nested one,
the array ends here, a lone surrogate, an error), the standard library's scanner looks at one
record after the other; it works on Latin-1 text, where a character is a byte and all of JSON's
structure is ASCII, so its positions are byte offsets.

Not checked here: UTF-8 (see utf8.py). Lone surrogates in escapes are valid grammar and pass.
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
from core.formats.base import Run, Span

T = TypeVar("T")

_SPACE: Final = re.compile(rb"[ \t\n\r]*")
_TEXT_SPACE: Final = re.compile(r"[ \t\n\r]*")
_NUMBER_START: Final = b"-0123456789"
_NUMBER_FOLLOWERS: Final = b" \t\n\r,]"
_CANDIDATES: Final = 4
_CONSTANT: Final = re.compile(r'"[^"]*"|(-?Infinity|NaN)')
"""NaN or Infinity outside strings, in a text in which no string has an escaped quote."""
_AT_ONCE: Final = 512
"""Records that are looked at one by one before a run is handed out: a millisecond or two."""
_AT_ONCE_BYTES: Final = 64 * 1024
"""And how many bytes they may have."""
NESTED: Final = "nested too deeply"
"""Why a value is refused of which the grammar may be right."""
_UNSURE: Final = 12
"""An error this close to the end of what has come may be a token cut in two (``\\ud83d\\ude``)."""


class _NotJsonError(Exception):
    """NaN and Infinity, which the standard library would let pass."""


def _refuse_constant(_: str) -> NoReturn:
    raise _NotJsonError


# Numbers stay text: converting a million digits would take minutes. (Typeshed has the type of the
# scanner's context wrong.)
_scan: Callable[[str, int], tuple[object, int]] = json.scanner.make_scanner(
    cast("Any", json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant))
)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the garbage collector, which would look for cycles in what the scanner builds.

    There are none, but of a megabyte of empty arrays that takes longer than all else.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _IncompleteError(Exception):
    """More bytes are needed to tell whether this is a record or an error."""

    def __init__(self, error: MalformedInputError) -> None:
        self.error = error


class JsonScanner(Generic[T]):
    """Runs of records of one array, from behind its ``[`` to its ``]`` or the end of a part."""

    def __init__(
        self,
        decode_run: Callable[[bytes], list[T]],
        decode_record: Callable[[bytes], T],
        *,
        max_record_bytes: int,
        offset: int = 0,
    ) -> None:
        """``decode_run`` decodes an array and must refuse what is no JSON by a msgspec error.

        ``decode_record`` gets a single record of which the grammar is known to be right.
        """
        self.records = 0
        self.closed = False
        """True once the ``]`` of the array was seen; ``rest`` has the bytes behind it."""
        self.rest = b""
        self._decode_run = decode_run
        self._decode_record = decode_record
        self._max_record = max_record_bytes
        self._offset = offset
        self._buffer = bytearray()
        self._wanted = 1
        self._after_value = False

    def feed(self, data: bytes) -> Iterator[Run[T]]:
        """Take the next bytes; yields what they complete. Raises MalformedInputError."""
        if len(self._buffer) + len(data) < self._wanted:
            self._buffer += data
        else:
            yield from self._drain(b"".join((self._buffer, data)), final=False, patient=True)

    def close(self) -> Iterator[Run[T]]:
        """Tell that no more bytes come; the array may still lack its ``]``."""
        yield from self._drain(bytes(self._buffer), final=True)

    def flush(self) -> Iterator[Run[T]]:
        """Yield what is complete by now, also where more bytes were wanted first."""
        yield from self._drain(bytes(self._buffer), final=False)

    def spans(self, run: Run[object]) -> list[Span]:
        """Where exactly each record of a run begins and ends."""
        if len(run.spans) == len(run.records):
            return list(run.spans)
        if len(run.records) == 1:
            return [(run.start, run.end)]
        with _no_collection():
            return list(self._find_spans(run))

    def _find_spans(self, run: Run[object]) -> Iterator[Span]:
        text, at = run.raw.decode("latin-1"), run.lead
        for _ in run.records:
            at = _skip_space(run.raw, at)
            _, end = _scan(text, at)
            yield run.offset + at, run.offset + end
            at = _skip_space(run.raw, end) + 1

    def _drain(self, data: bytes, *, final: bool, patient: bool = False) -> Iterator[Run[T]]:
        at = 0
        while (run := self._next(data, at, final=final, patient=patient)) is not None:
            at += len(run.raw)
            self.records += len(run.records)
            self._offset += len(run.raw)
            yield run
        if self.closed:
            self.rest, at = self.rest + data[at:], len(data)
        self._buffer = bytearray(data[at:])
        self._wanted = min(2 * len(self._buffer), self._max_record + 1)

    def _next(self, data: bytes, at: int, *, final: bool, patient: bool) -> Run[T] | None:
        first = _skip_space(data, at)
        if self.closed or at == len(data):
            return None
        if first == len(data):  # passed on at once: there may be gigabytes of it
            return Run(self._offset, data[at:], 0, ())
        if data[first] == _CLOSE and (self._after_value or self.records == 0):
            self.closed = True
            return Run(self._offset, data[at : first + 1], 0, ())
        if self._after_value:
            if data[first] != _COMMA:
                self._refuse(first - at, "after a record there must be a comma or the closing ]")
            self._after_value = False
            return Run(self._offset, data[at : first + 1], 0, ())
        if run := self._fast(data, at, first):
            return run
        with _no_collection():
            return self._exact(data[at:], first - at, final=final, patient=patient)

    def _fast(self, data: bytes, at: int, first: int) -> Run[T] | None:
        end, view = min(len(data), first + self._max_record), memoryview(data)
        for _ in range(_CANDIDATES):
            end = data.rfind(b"}", first, end)
            if end < 0:
                return None
            try:
                records = self._decode_run(b"".join((b"[", view[first : end + 1], b"]")))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
            self._after_value = True
            return Run(self._offset, data[at : end + 1], first - at, records)
        return None

    def _exact(self, data: bytes, first: int, *, final: bool, patient: bool) -> Run[T] | None:
        if patient and _has_only_begun(data, first):
            return None
        text = data.decode("latin-1")
        records: list[T] = []
        spans: list[Span] = []
        start, end = first, first
        try:
            while start < len(data) and len(records) < _AT_ONCE and end - first < _AT_ONCE_BYTES:
                end = self._record_end(text, start, len(records), final=final)
                records.append(self._decode_record(data[start:end]))
                spans.append((self._offset + start, self._offset + end))
                comma = _skip_space(data, end)
                if data[comma : comma + 1] != b",":
                    break
                start = _skip_space(data, comma + 1)
        except _IncompleteError as undecided:
            if final:
                raise undecided.error from None
        if not records:
            return None
        self._after_value = True
        return Run(self._offset, data[:end], first, records, spans)

    def _record_end(self, text: str, start: int, before: int, *, final: bool) -> int:
        number = self.records + before + 1
        try:
            _, end = _scan(text, start)
        except (StopIteration, json.JSONDecodeError, _NotJsonError, RecursionError) as error:
            self._judge(text, start, number, error)
        if end - start > self._max_record:
            raise self._too_large(start, number)
        if text[start].encode("latin-1") in _NUMBER_START and not final:
            self._check_number_end(text, end, number)
        return end

    def _check_number_end(self, text: str, end: int, number: int) -> None:
        if end == len(text) or text[end].encode("latin-1") not in _NUMBER_FOLLOWERS:
            error = self._malformed(end, number, "this is no number")
            if end + _UNSURE >= len(text):
                raise _IncompleteError(error)
            raise error

    def _judge(self, text: str, start: int, number: int, error: Exception) -> NoReturn:
        position, reason, cut = _explain(text, start, error)
        problem = self._malformed(position, number, reason)
        if isinstance(error, RecursionError):
            raise MalformedInputError(
                "nested_too_deeply",
                f"Record {number} is nested too deeply.",
                offset=problem.offset,
                record=number,
            ) from None
        # An error that lies beyond the bound may not have come yet when the bound is passed.
        beyond = position + _UNSURE - start >= self._max_record
        if not (cut or beyond) and position + _UNSURE < len(text):
            raise problem from None
        if len(text) - start > self._max_record:
            raise self._too_large(start, number) from None
        raise _IncompleteError(problem) from None

    def _refuse(self, position: int, reason: str) -> NoReturn:
        raise self._malformed(position, self.records, reason)

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
            f"Record {number}, at byte {offset}, is longer than {self._max_record} bytes.",
            offset=offset,
            record=number,
        )


_OPEN: Final = ord("{")
_CLOSE: Final = ord("]")
_COMMA: Final = ord(",")


def _has_only_begun(data: bytes, first: int) -> bool:
    """Whether this is an object without any end: what is wrong in it can be told when more is fed.

    Each piece of a body ends so. If it is long, it is better looked at before all of it has come.
    """
    return (
        data[first] == _OPEN and len(data) - first < _AT_ONCE_BYTES and data.find(b"}", first) < 0
    )


def _skip_space(data: bytes, at: int) -> int:
    match = _SPACE.match(data, at)
    return match.end() if match else at


def first_error(text: str) -> tuple[int, str] | None:
    """Position and reason of what is wrong in a text that should be one value; None if nothing."""
    start = cast("re.Match[str]", _TEXT_SPACE.match(text)).end()
    try:
        with _no_collection():
            _, end = _scan(text, start)
    except (StopIteration, json.JSONDecodeError, _NotJsonError, RecursionError) as error:
        return _explain(text, start, error)[:2]
    end = cast("re.Match[str]", _TEXT_SPACE.match(text, end)).end()
    return (end, "nothing may follow") if end < len(text) else None


def _explain(text: str, start: int, error: Exception) -> tuple[int, str, bool]:
    """Position and reason of the scanner's error, and whether the text may just go on."""
    if isinstance(error, json.JSONDecodeError):
        cut = error.msg.startswith("Unterminated string")
        reason = error.msg[:1].lower() + error.msg[1:].removesuffix(" at").removesuffix(" starting")
        return error.pos, reason, cut
    if isinstance(error, StopIteration):
        return int(error.value), "expecting a value", False
    if isinstance(error, _NotJsonError):
        return _constant(text, start), "NaN and Infinity are no JSON", False
    return start, NESTED, False


def _constant(text: str, start: int) -> int:
    """Position of the first NaN or Infinity behind ``start`` that is not in a string."""
    # Backslashes come first: only the last of an odd number of them escapes a quote.
    strings = text.replace("\\\\", "__").replace('\\"', "__")
    found = (match.start(1) for match in _CONSTANT.finditer(strings, start) if match[1])
    return next(found, start)
