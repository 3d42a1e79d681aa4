"""A form with options, a source and a file (RFC 7578), read as it arrives.

The options come before the file, the source before or after it.
"""

import logging
import warnings
from collections.abc import AsyncIterator
from pathlib import PurePath
from typing import Final

from aiohttp import BadContentDispositionHeader, BadContentDispositionParam

from service.intake.body import Body
from service.intake.decompression import compression_by_suffix, compression_of
from service.intake.form_reader import FILE, Field, FormReader
from service.intake.limits import Limits
from service.intake.media_types import kind_of_file
from service.intake.options import OptionValues
from service.intake.request import FormHead, ImportRequest
from service.option_names import IMPORT_OPTIONS, check_option_names
from service.problems import ProblemError

_MAX_FIELD_BYTES: Final = 64 * 1024
_FIELDS: Final = (FILE, *IMPORT_OPTIONS)
_CHARSET: Final = "_charset_"
"""A field that names the character set of the others (RFC 7578, 4.6)."""
_IDENTITY_TRANSFERS: Final = {"", "7bit", "8bit", "binary"}


def silence_header_warnings() -> None:
    """Keep libraries from warning about malformed form headers, in the whole process.

    aiohttp's warnings would write a client's header into the log, and Python would keep each of
    them for ever, to show it only once.
    """
    for category in (BadContentDispositionHeader, BadContentDispositionParam):
        warnings.simplefilter("ignore", category)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)


async def read_form(
    head: FormHead, pieces: AsyncIterator[bytes], limits: Limits
) -> tuple[ImportRequest, Body]:
    """Read a form up to its file; return the complete request and the file.

    The source is None if it comes after the file: then ``Body.trailing_source`` returns it. Raises
    ProblemError or MalformedInputError.
    """
    form = _Form(FormReader(head.content_type, pieces), head.values)
    file = await form.next_file()
    if file is None:
        raise ProblemError("file_missing", 'The form lacks the field "file".')
    name = PurePath(file.filename or "")
    by_suffix = compression_by_suffix(name.suffix)
    compression = compression_of(file.headers.get("Content-Encoding")) or by_suffix
    kind = kind_of_file(file.content_type, PurePath(name.stem).suffix if by_suffix else name.suffix)
    charset = file.charset or form.charset
    options = head.values.check(kind, charset=charset, webhooks=limits.webhooks)
    compared = (*head.values.compared(), *head.compared, charset, compression or "")
    request = ImportRequest(
        kind,
        options,
        compression,
        head.idempotency_key,
        compared,
        is_file=True,
        key_name=head.key_name,
    )
    return request, _FormFile(form, compression, limits)


class _FormFile(Body):
    """The file of a form."""

    def __init__(self, form: "_Form", compression: str | None, limits: Limits) -> None:
        super().__init__(form.content(), compression, limits)
        self._form = form

    async def trailing_source(self) -> str | None:
        """Read the form to its end; return its source, wherever it is. Raises ProblemError."""
        return await self._form.finish()


class _Form:
    """The fields of a form, one after the other."""

    def __init__(self, reader: FormReader, values: OptionValues) -> None:
        """``values`` has the options of the query; those of the fields are added to it."""
        self.charset = ""
        """The character set of all fields, if it is named."""
        self._reader = reader
        self._values = values
        self._has_file = False

    async def next_file(self) -> Field | None:
        """Read up to the next field ``file``, collecting the options; None at the form's end."""
        while (field := await self._reader.next_field()) is not None:
            name = _checked_name(field)
            if name == FILE:
                self._has_file = True
                return field
            if self._has_file and name != "source":
                raise ProblemError(
                    "field_too_late", f'Send the field "{name}" before the file.', param=name
                )
            value = await self._text()
            if name == _CHARSET:
                self.charset = value
            else:
                self._values.add(name, value)
        return None

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the current field."""
        while data := await self._reader.read():
            yield data

    async def finish(self) -> str | None:
        """Read the form to its end; return the source."""
        if await self.next_file() is not None:
            raise ProblemError(
                "malformed_multipart", 'The form has two fields "file": send one each.'
            )
        return self._values.source()

    async def _text(self) -> str:
        """Return the current field as text."""
        value = bytearray()
        async for data in self.content():
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


def _checked_name(field: Field) -> str:
    """Return the name of a field; raises if the field is not accepted."""
    if field.content_type.startswith("multipart/"):
        raise ProblemError("malformed_multipart", "The form has a form inside.")
    if field.headers.get("Content-Transfer-Encoding", "").lower() not in _IDENTITY_TRANSFERS:
        raise ProblemError("unsupported_encoding", "Send the fields as they are, not encoded.")
    if field.name is None:
        raise ProblemError(
            "malformed_multipart",
            "A field of the form has no name: it needs a header such as 'Content-Disposition: "
            'form-data; name="source"\'.',
        )
    if field.name != _CHARSET:
        check_option_names([field.name], _FIELDS, "field of the form")
    return field.name
