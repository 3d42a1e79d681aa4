"""A form with a source and a file, in either order (RFC 7578), read as it comes."""

import warnings
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import PurePath
from typing import Final, cast

from aiohttp import (
    BadContentDispositionHeader,
    BadContentDispositionParam,
    BodyPartReader,
    MultipartReader,
    StreamReader,
    web,
)
from aiohttp.http_exceptions import HttpProcessingError

from service.bodies import (
    CSV,
    JSON,
    NDJSON,
    PIECE_BYTES,
    READ_ERRORS,
    Limits,
    broken_off,
    check_dialect,
    kind_of,
    query_dialect,
    query_notify,
    too_large,
)
from service.decompression import compression_by_ending, compression_of
from service.options import Options
from service.pace import Pace
from service.problems import Problem
from service.receipt import Receipt
from service.source import check_source
from service.splitting.envelope import MAX_ENVELOPE_BYTES
from service.splitting.splitter import Splitter
from service.submission import Submission
from service.turns import Turn

_MAX_FIELD_BYTES: Final = 64 * 1024
_MAX_LINES: Final = 10_000
"""Beside the file: far more than any form has, and no more than can be looked at quickly."""
_ENDINGS: Final = {".csv": CSV, ".json": JSON, ".ndjson": NDJSON, ".jsonl": NDJSON}
_OPTIONS: Final = frozenset({"delimiter", "map", "notify"})
"""Fields that must come before the file: how it is read, and whom to tell of its end."""
_PLAIN_TRANSFERS: Final = {"", "7bit", "8bit", "binary"}


def ignore_odd_headers() -> None:
    """Keep aiohttp from warning, in the whole process, of a field's header that it cannot read.

    The warning would show the header in the log as the client wrote it, and Python would keep it
    for ever, so as to show it but once.
    """
    for category in (BadContentDispositionHeader, BadContentDispositionParam):
        warnings.simplefilter("ignore", category)


async def multipart_submission(
    request: web.Request, limits: Limits, count: Callable[[int], None]
) -> Submission:
    """Read the form up to its file; the rest is read when the source is asked for."""
    form = _Form(request, limits, count)
    file = await form.next_file()
    if file is None:
        raise Problem("file_missing", 'The form lacks the field "file".')
    name = PurePath(file.filename or "")
    compression = compression_of(file.headers.get("Content-Encoding"))
    compression = compression or compression_by_ending(name.suffix)
    ending = PurePath(name.stem).suffix if compression_by_ending(name.suffix) else name.suffix
    receipt, options = Receipt(), Options.of(request)
    notify = limits.webhooks.wanted(form.notify)
    asked = (*options.asked, file.get_charset(default=""), compression or "")
    said = (*asked, *form.delimiters, *form.columns, *form.notify)
    return Submission(
        limits.unpacked(receipt.noting(form.pieces(file)), compression),
        _splitter(form, file, ending.lower(), limits),
        form.finish,
        receipt,
        replace(options, asked=said, notify=notify),
        compression,
    )


def _splitter(form: "_Form", file: BodyPartReader, ending: str, limits: Limits) -> Splitter:
    content_type = file.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    kind = kind_of(content_type) or _ENDINGS.get(ending)
    if kind is None:
        raise Problem(
            "unsupported_media_type",
            'The file must be CSV, JSON or NDJSON: name it ".csv", ".json" or ".ndjson" (and ".gz" '
            'or ".zst" behind that), or give its content type.',
        )
    dialect = check_dialect(kind, file.get_charset(""), form.delimiters, form.columns)
    if kind == CSV:
        return limits.csv(dialect)
    return limits.json_array() if kind == JSON else limits.ndjson()


class _Form:
    """The fields of a form, one after the other."""

    def __init__(self, request: web.Request, limits: Limits, count: Callable[[int], None]) -> None:
        self._request = request
        self._limits = limits
        self._count = count
        self._reader: MultipartReader | None = None
        self._body = _Body(request.content, limits.pace(request.content))
        self._source: str | None = None
        self._has_file = False
        self.delimiters, self.columns = query_dialect(request)
        self.notify = query_notify(request)

    async def next_file(self) -> BodyPartReader | None:
        """Read on to the field ``file``, minding the others; None at the end of the form."""
        while (part := await self._next_part()) is not None:
            if part.name == "file":
                self._has_file = True
                return part
            value = await self._field(part)
            if part.name == "source":
                self._take_source(value)
            elif part.name in _OPTIONS:
                self._take_option(part.name, value)
        return None

    async def finish(self) -> str:
        """Read the form to its end and tell the source."""
        if await self.next_file() is not None:
            raise Problem("malformed_multipart", 'The form has two fields "file": send one each.')
        if self._source is None:
            raise Problem("source_missing", 'The form lacks the field "source".')
        return self._source

    async def pieces(self, part: BodyPartReader) -> AsyncIterator[bytes]:
        """The bytes of one field."""
        while data := await self._read(part):
            yield data

    async def _field(self, part: BodyPartReader) -> bytes:
        value = bytearray()
        async for data in self.pieces(part):
            value += data
            self._body.count(len(data))
            if len(value) > _MAX_FIELD_BYTES:
                raise Problem(
                    "envelope_too_large",
                    f"A field other than the file has over {_MAX_FIELD_BYTES} bytes.",
                )
        return bytes(value)

    def _take_source(self, value: bytes) -> None:
        if self._source is not None:
            raise Problem("duplicate_key", 'The form has two fields "source".')
        self._source = check_source(_text(value))

    def _take_option(self, name: str, value: bytes) -> None:
        if self._has_file:
            raise Problem("field_too_late", f'Send the field "{name}" before the file.')
        said = {"delimiter": self.delimiters, "map": self.columns, "notify": self.notify}
        said[name].append(_text(value))

    async def _read(self, part: BodyPartReader) -> bytes:
        try:
            data = await part.read_chunk(PIECE_BYTES)
        except READ_ERRORS as error:
            raise broken_off() from error
        except (ValueError, AssertionError) as error:
            raise _malformed() from error
        self._count(len(data))
        self._check_size()
        return data

    def _check_size(self) -> None:
        if self._request.content.total_bytes > self._limits.body_bytes:
            raise too_large(self._limits)

    async def _next_part(self) -> BodyPartReader | None:
        try:
            if self._reader is None:
                content = cast("StreamReader", self._body)
                self._reader = MultipartReader(self._request.headers, content)
            part = await self._reader.next()
        except READ_ERRORS as error:
            raise broken_off() from error
        except (ValueError, AssertionError, RuntimeError, HttpProcessingError) as error:
            raise _malformed() from error
        self._check_size()
        if part is None:
            return None
        if not isinstance(part, BodyPartReader):
            raise Problem("malformed_multipart", "The form has a form inside.")
        if part.headers.get("Content-Transfer-Encoding", "").lower() not in _PLAIN_TRANSFERS:
            raise Problem("unsupported_encoding", "Send the fields as they are, not encoded.")
        return part


class _Body:
    """The bytes of a form as aiohttp reads them, which never yields while there are some.

    Lines are all that is read beside the fields: boundaries, heads of fields, and what stands
    before the first and behind the last of them.
    """

    def __init__(self, content: StreamReader, pace: Pace) -> None:
        self._content = content
        self._pace = pace
        self._turn = Turn()
        self._beside = 0
        self._lines = 0

    def count(self, beside: int) -> None:
        """Count bytes that are none of the file's; raises Problem if there are too many."""
        self._beside += beside
        if self._beside > MAX_ENVELOPE_BYTES or self._lines > _MAX_LINES:
            raise Problem(
                "envelope_too_large",
                f"There are more than {MAX_ENVELOPE_BYTES} bytes or {_MAX_LINES} lines beside the "
                "file.",
            )

    async def read(self, size: int) -> bytes:
        """Some bytes of a field."""
        await self._turn.share()
        return await self._pace.wait(self._content.read(size))

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        """A line of what stands between the fields."""
        await self._turn.share()
        reading = self._content.readline(max_line_length=max_line_length)
        line = await self._pace.wait(reading)
        self._lines += 1
        self.count(len(line))
        return line

    def at_eof(self) -> bool:
        """Whether all was read."""
        return self._content.at_eof()

    def unread_data(self, data: bytes) -> None:
        """Take back what is no field's."""
        self._content.unread_data(data)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Problem("invalid_utf8", "A field of the form is not UTF-8.") from None


def _malformed() -> Problem:
    return Problem(
        "malformed_multipart",
        "The form cannot be read: it must be multipart/form-data with its boundary in the "
        "Content-Type header.",
    )
