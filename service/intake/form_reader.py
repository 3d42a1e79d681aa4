"""Reads multipart/form-data (RFC 7578) as a stream, field by field, within bounds.

python-multipart parses it. Only the error that it raises for malformed input becomes a problem of
the client; any other exception is a bug of the service and passes through.
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
"""The one field of which the bytes do not count as beside the file."""

_MAX_BOUNDARY: Final = 70
"""RFC 2046, 5.1.1."""
_MAX_HEADERS: Final = 128
_MAX_HEADER_BYTES: Final = 8190
_MAX_LINES: Final = 10_000
"""Beside the file: far more than any form has, and no more than can be looked at quickly."""
_STEP_BYTES: Final = 4096
"""How much is parsed at a time beside the file: a millisecond or two if it is all tiny fields."""
_NO_HEADER_VALUE: Final = frozenset(b"\n\0")


@dataclass(frozen=True, slots=True)
class Field:
    """The head of one field."""

    name: str | None
    """As its Content-Disposition has it; None if that is missing or cannot be read."""
    filename: str | None
    headers: CIMultiDict[str]

    @classmethod
    def of(cls, headers: CIMultiDict[str]) -> Self:
        """The field with these headers."""
        return cls(*_names(headers.get("Content-Disposition")), headers)

    @property
    def content_type(self) -> str:
        """Its media type in lower case, without parameters; empty if there is none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """The character set that its Content-Type names; empty if there is none."""
        return parse_mimetype(self.headers.get("Content-Type", "")).parameters.get("charset", "")


class FormReader:
    """One form: the head of a field and its bytes in turn.

    The parser calls back for all that it finds in one step, so this waits in a queue until it is
    asked for. What stands before the first boundary is parsed as the content of a field without a
    head, since the parser knows no preamble (RFC 2046, 5.1.1).
    """

    def __init__(self, content_type: str, pieces: AsyncIterator[bytes]) -> None:
        """``pieces`` is the body; raises ProblemError if the Content-Type has no usable boundary."""
        self._delimiter = b"\r\n--" + _boundary(content_type)
        self._pieces = pieces
        self._turn = TimeSlice()
        self._piece = b""
        self._at = 0
        self._last = b""
        self._beyond = False
        self._beside = 0
        self._lines = 0
        self._header_name = b""
        self._header_value = b""
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._in_file = False
        self._ended = False
        self._found: deque[Field | bytes] = deque()
        self._parser = MultipartParser(
            self._delimiter[4:],
            {
                "on_header_field": self._on_header_name,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_head,
                "on_part_data": self._on_data,
                "on_end": self._on_end,
            },
            max_header_count=_MAX_HEADERS,
            max_header_size=_MAX_HEADER_BYTES,
        )
        self._parser.write(self._delimiter[2:] + b"\r\n\r\n")
        self._found.clear()
        self._in_preamble = True
        self._parser.write(b"\r\n")  # a first line that is a boundary ends the preamble, too

    async def next_field(self) -> Field | None:
        """Skip the rest of the current field; returns the next one, None at the form's end.

        Raises ProblemError if the form is malformed or has too much beside the file.
        """
        while True:
            while self._found:
                if isinstance(found := self._found.popleft(), Field):
                    return found
            if not await self._parse_more():
                if not self._ended:
                    raise malformed()
                return None

    async def read(self) -> bytes:
        """The next bytes of the current field; empty at its end. Raises like ``next_field``.

        Of a form that is cut off it returns what has come: ``next_field`` is to say so.
        """
        while not self._found:
            if not await self._parse_more():
                return b""
        if isinstance(found := self._found[0], Field):
            return b""
        self._found.popleft()
        return found

    async def _parse_more(self) -> bool:
        """Parse the next step; False at the end of the body."""
        await self._turn.share()
        if self._at == len(self._piece):
            self._piece, self._at = await anext(self._pieces, b""), 0
            if not self._piece:
                return False
        step = self._step()
        self._at += len(step)
        self._last = (self._last + step)[1 - len(self._delimiter) :]
        self._parse(step)
        self._beside += len(step)
        if self._beside > MAX_ENVELOPE_BYTES or self._lines > _MAX_LINES:
            raise ProblemError(
                "envelope_too_large",
                f"There are more than {MAX_ENVELOPE_BYTES} bytes or {_MAX_LINES} lines beside the "
                "file.",
            )
        return True

    def _step(self) -> bytes:
        """The next bytes to parse: few, or as many of the file's as stand before a delimiter.

        From the first delimiter in the file on, which is its end, there are only few.
        """
        start, length = self._at, len(self._delimiter)
        if self._in_file and not self._beyond:
            self._beyond = self._delimiter in self._last + self._piece[start : start + length]
        if not self._in_file or self._beyond:
            return self._piece[start : start + _STEP_BYTES]
        found = self._piece.find(self._delimiter, start)
        return self._piece[start : None if found < 0 else found]

    def _parse(self, step: bytes) -> None:
        try:
            self._parser.write(step)
        except MultipartParseError as error:
            raise malformed() from error

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._lines += 1
        if not _NO_HEADER_VALUE.isdisjoint(self._header_value):
            raise malformed()
        name, value = self._header_name.decode(), self._header_value.strip(b" \t")
        self._headers.add(name, value.decode("utf-8", "surrogateescape"))
        self._header_name = self._header_value = b""

    def _on_head(self) -> None:
        self._lines += 2  # the boundary, and the empty line
        field = Field.of(self._headers)
        self._headers = CIMultiDict()
        self._in_preamble, self._in_file = False, field.name == FILE
        self._found.append(field)

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        content = data[start:end]
        if self._in_preamble:
            self._lines += content.count(b"\n")
            return
        if self._in_file:
            self._beside -= len(content)
        self._found.append(content)

    def _on_end(self) -> None:
        self._in_file, self._ended = False, True


def _names(disposition: str | None) -> tuple[str | None, str | None]:
    """The name and the filename; None for what cannot be read."""
    try:
        _, parameters = parse_content_disposition(disposition)
        name = content_disposition_filename(parameters, "name")
        return name, content_disposition_filename(parameters)
    except ValueError:  # what aiohttp makes of parts such as name*0=a'b; nothing else is called
        return None, None


def _boundary(content_type: str) -> bytes:
    boundary = parse_mimetype(content_type).parameters.get("boundary", "")
    if not boundary.isascii() or not 0 < len(boundary) <= _MAX_BOUNDARY:
        raise malformed()
    return boundary.encode()


def malformed() -> ProblemError:
    """The refusal of what is not a form."""
    return ProblemError(
        "malformed_multipart",
        "The form cannot be read: it must be multipart/form-data with its boundary in the "
        "Content-Type header.",
    )
