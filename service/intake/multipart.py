"""A form with a source and a file, in either order (RFC 7578), read as it comes."""

import logging
import warnings
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import PurePath
from typing import Final

from aiohttp import BadContentDispositionHeader, BadContentDispositionParam, web

from service.intake.decompression import compression_by_ending, compression_of
from service.intake.digest import Digest
from service.intake.form_reader import FILE, Field, FormReader
from service.intake.options import GivenOptions, Options
from service.intake.request import CSV, JSON, NDJSON, Limits, body_pieces, check_dialect, kind_of
from service.intake.submission import Submission
from service.options import IMPORT_OPTIONS, refuse_unknown
from service.problems import ProblemError
from service.splitting.base import Splitter

_MAX_FIELD_BYTES: Final = 64 * 1024
_ENDINGS: Final = {".csv": CSV, ".json": JSON, ".ndjson": NDJSON, ".jsonl": NDJSON}
_FIELDS: Final = (FILE, *IMPORT_OPTIONS)
_CHARSET: Final = "_charset_"
"""A field that names the character set of the others (RFC 7578, 4.6)."""
_PLAIN_TRANSFERS: Final = {"", "7bit", "8bit", "binary"}


def ignore_odd_headers() -> None:
    """Keep libraries from warning, in the whole process, of a form that they cannot read.

    Such a warning of aiohttp would show the header in the log as the client wrote it, and Python
    would keep it for ever, so as to show it but once.
    """
    for category in (BadContentDispositionHeader, BadContentDispositionParam):
        warnings.simplefilter("ignore", category)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)


async def multipart_submission(
    request: web.Request, limits: Limits, count: Callable[[int], None]
) -> Submission:
    """Read the form up to its file; the rest is read when the source is asked for."""
    form = _Form(request, limits, count)
    file = await form.next_file()
    if file is None:
        raise ProblemError("file_missing", 'The form lacks the field "file".')
    name = PurePath(file.filename or "")
    compression = compression_of(file.headers.get("Content-Encoding"))
    compression = compression or compression_by_ending(name.suffix)
    ending = PurePath(name.stem).suffix if compression_by_ending(name.suffix) else name.suffix
    charset = file.charset or form.charset
    receipt, options = Digest(), Options.of(request, form.given)
    notify = limits.webhooks.wanted(form.given["notify"])
    asked = (*options.asked, charset, compression or "")
    return Submission(
        limits.unpacked(receipt.noting(form.pieces()), compression),
        _splitter(_kind(file, ending.lower()), charset, form.given, limits),
        form.finish,
        receipt,
        replace(options, asked=asked, notify=notify),
        compression,
    )


def _kind(file: Field, ending: str) -> str:
    kind = kind_of(file.content_type) or _ENDINGS.get(ending)
    if kind is None:
        raise ProblemError(
            "unsupported_media_type",
            'The file must be CSV, JSON or NDJSON: name it ".csv", ".json" or ".ndjson" (and ".gz" '
            'or ".zst" behind that), or give its content type.',
        )
    return kind


def _splitter(kind: str, charset: str, given: GivenOptions, limits: Limits) -> Splitter:
    dialect = check_dialect(kind, charset, given)
    if kind == CSV:
        return limits.csv(dialect)
    return limits.json_array() if kind == JSON else limits.ndjson()


class _Form:
    """The fields of a form, one after the other."""

    def __init__(self, request: web.Request, limits: Limits, count: Callable[[int], None]) -> None:
        content_type = request.headers.get("Content-Type", "")
        self._reader = FormReader(content_type, body_pieces(request, limits, count))
        self._has_file = False
        self.given = GivenOptions(request.query)
        self.charset = ""

    async def next_file(self) -> Field | None:
        """Read on to the field ``file``, taking the others; returns None at the form's end."""
        while (field := await self._reader.next_field()) is not None:
            name = _checked_name(field)
            if name == FILE:
                self._has_file = True
                return field
            if self._has_file and name != "source":
                raise ProblemError("field_too_late", f'Send the field "{name}" before the file.')
            self._take(name, await self._value())
        return None

    async def finish(self) -> str:
        """Read the form to its end; returns the source."""
        if await self.next_file() is not None:
            raise ProblemError(
                "malformed_multipart", 'The form has two fields "file": send one each.'
            )
        source = self.given.source()
        if source is None:
            raise ProblemError("source_missing", 'The form lacks the field "source".')
        return source

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes of the current field."""
        while data := await self._reader.read():
            yield data

    async def _value(self) -> str:
        value = bytearray()
        async for data in self.pieces():
            value += data
            if len(value) > _MAX_FIELD_BYTES:
                raise ProblemError(
                    "envelope_too_large",
                    f"A field other than the file has over {_MAX_FIELD_BYTES} bytes.",
                )
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise ProblemError("invalid_utf8", "A field of the form is not UTF-8.") from None

    def _take(self, name: str, value: str) -> None:
        if name == _CHARSET:
            self.charset = value
            return
        self.given.add(name, value)
        if name == "source":
            self.given.source()  # raises if there is one already, or it cannot be used


def _checked_name(field: Field) -> str:
    """The name of a field; raises ProblemError or MalformedInputError if the field cannot be taken."""
    if field.content_type.startswith("multipart/"):
        raise ProblemError("malformed_multipart", "The form has a form inside.")
    if field.headers.get("Content-Transfer-Encoding", "").lower() not in _PLAIN_TRANSFERS:
        raise ProblemError("unsupported_encoding", "Send the fields as they are, not encoded.")
    if field.name is None:
        raise ProblemError(
            "malformed_multipart",
            "A field of the form has no name: it needs a header such as 'Content-Disposition: "
            'form-data; name="source"\'.',
        )
    if field.name != _CHARSET:
        refuse_unknown([field.name], _FIELDS, "field of the form")
    return field.name
