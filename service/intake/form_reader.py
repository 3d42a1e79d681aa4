"""Reads multipart/form-data (RFC 7578) as a stream, field by field, within limits.

python-multipart parses it. Only the error that it raises for malformed input becomes a problem;
any other exception is a bug of the service and is not caught.
"""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Self

from aiohttp import content_disposition_filename, parse_content_disposition
from aiohttp.helpers import parse_mimetype
from multidict import CIMultiDict
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from service.fair_scheduling import TimeSlice
from service.problems import ProblemError
from service.splitting.envelope import MAX_ENVELOPE_BYTES

FILE: Final = "file"
"""The field whose bytes do not count as overhead."""

_MAX_BOUNDARY: Final = 70
"""RFC 2046, 5.1.1."""
_MAX_HEADERS: Final = 128
_MAX_HEADER_BYTES: Final = 8190
_MAX_LINES: Final = 10_000
"""Lines outside the file: far more than any form has, and few enough to be parsed quickly."""
_STEP_BYTES: Final = 4096
"""How much is parsed at a time outside the file: a millisecond or two if all fields are tiny."""
_NOT_IN_HEADERS: Final = frozenset(b"\n\0")


@dataclass(frozen=True, slots=True)
class Field:
    """The head of one field."""

    name: str | None
    """From its Content-Disposition; None if that is missing or malformed."""
    filename: str | None
    headers: CIMultiDict[str]

    @classmethod
    def from_headers(cls, headers: CIMultiDict[str]) -> Self:
        """Return the field with these headers."""
        try:
            _, parameters = parse_content_disposition(headers.get("Content-Disposition"))
            name = content_disposition_filename(parameters, "name")
            return cls(name, content_disposition_filename(parameters), headers)
        except ValueError:  # aiohttp raises it for some malformed parameters, as name*0=a'b
            return cls(None, None, headers)

    @property
    def content_type(self) -> str:
        """Media type in lower case, without parameters; empty if there is none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """Character set that the Content-Type names; empty if there is none."""
        return parse_mimetype(self.headers.get("Content-Type", "")).parameters.get("charset", "")


class FormReader:
    """Returns, for each field of one form, its headers and then its content.

    The parser calls back for everything in one step, so fields and content wait in a queue. Text
    before the first boundary is parsed as the content of a field without headers, since the parser
    does not support a preamble (RFC 2046, 5.1.1).
    """

    def __init__(self, content_type: str, pieces: AsyncIterator[bytes]) -> None:
        """``pieces`` is the body. Raises ProblemError if the Content-Type has no valid boundary."""
        self._delimiter = b"\r\n--" + _boundary(content_type)
        self._pieces = pieces
        self._time_slice = TimeSlice()
        self._piece = b""
        self._position = 0
        """Bytes of the piece that were parsed."""
        self._tail = b""
        """The last parsed bytes, which may be the beginning of a delimiter."""
        self._past_file = False
        self._overhead_bytes = 0
        self._overhead_lines = 0
        self._header_name = b""
        self._header_value = b""
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._in_file = False
        self._at_end = False
        self._queue: deque[Field | bytes] = deque()
        self._parser = MultipartParser(
            self._delimiter[4:],
            {
                "on_header_field": self._on_header_name,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_content,
                "on_end": self._on_end,
            },
            max_header_count=_MAX_HEADERS,
            max_header_size=_MAX_HEADER_BYTES,
        )
        self._parser.write(self._delimiter[2:] + b"\r\n\r\n")
        self._queue.clear()
        self._in_preamble = True
        self._parser.write(b"\r\n")  # so that a boundary in the first line ends the preamble

    async def next_field(self) -> Field | None:
        """Skip the rest of the current field; return the next one, None at the form's end.

        Raises ProblemError if the form is malformed or has too much outside the file.
        """
        while True:
            while self._queue:
                if isinstance(item := self._queue.popleft(), Field):
                    return item
            if not await self._parse_more():
                if not self._at_end:
                    raise _malformed()
                return None

    async def read(self) -> bytes:
        """Return the next bytes of the current field; empty at its end. Raises like ``next_field``.

        Does not raise for a form that is cut off: ``next_field`` does.
        """
        while not self._queue:
            if not await self._parse_more():
                return b""
        if isinstance(item := self._queue[0], Field):
            return b""
        self._queue.popleft()
        return item

    async def _parse_more(self) -> bool:
        """Parse the next step; return False at the end of the body."""
        await self._time_slice.yield_if_used_up()
        if self._position == len(self._piece):
            self._piece, self._position = await anext(self._pieces, b""), 0
            if not self._piece:
                return False
        step = self._next_step()
        self._position += len(step)
        self._tail = (self._tail + step)[1 - len(self._delimiter) :]
        try:
            self._parser.write(step)
        except MultipartParseError as error:
            raise _malformed() from error
        self._overhead_bytes += len(step)
        if self._overhead_bytes > MAX_ENVELOPE_BYTES or self._overhead_lines > _MAX_LINES:
            raise ProblemError(
                "envelope_too_large",
                f"There are more than {MAX_ENVELOPE_BYTES} bytes or {_MAX_LINES} lines outside the "
                "file.",
            )
        return True

    def _next_step(self) -> bytes:
        """Return the next bytes to parse: few, or all of the file's before a delimiter.

        After the first delimiter in the file, which ends it, there are only few.
        """
        start, length = self._position, len(self._delimiter)
        if self._in_file and not self._past_file:
            self._past_file = self._delimiter in self._tail + self._piece[start : start + length]
        if not self._in_file or self._past_file:
            return self._piece[start : start + _STEP_BYTES]
        end = self._piece.find(self._delimiter, start)
        return self._piece[start : None if end < 0 else end]

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._overhead_lines += 1
        if not _NOT_IN_HEADERS.isdisjoint(self._header_value):
            raise _malformed()
        name, value = self._header_name.decode(), self._header_value.strip(b" \t")
        self._headers.add(name, value.decode("utf-8", "surrogateescape"))
        self._header_name = self._header_value = b""

    def _on_headers_finished(self) -> None:
        self._overhead_lines += 2  # the boundary, and the empty line
        field = Field.from_headers(self._headers)
        self._headers = CIMultiDict()
        self._in_preamble, self._in_file = False, field.name == FILE
        self._queue.append(field)

    def _on_content(self, data: bytes, start: int, end: int) -> None:
        content = data[start:end]
        if self._in_preamble:
            self._overhead_lines += content.count(b"\n")
            return
        if self._in_file:
            self._overhead_bytes -= len(content)
        self._queue.append(content)

    def _on_end(self) -> None:
        self._in_file, self._at_end = False, True


def _boundary(content_type: str) -> bytes:
    boundary = parse_mimetype(content_type).parameters.get("boundary", "")
    if not boundary.isascii() or not 0 < len(boundary) <= _MAX_BOUNDARY:
        raise _malformed()
    return boundary.encode()


def _malformed() -> ProblemError:
    """Return the problem of a body that is not a valid form."""
    return ProblemError(
        "malformed_multipart",
        "The form cannot be read: it must be multipart/form-data with its boundary in the "
        "Content-Type header.",
    )
