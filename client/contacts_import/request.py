"""Builds the request that sends a file: as the body, or as a multipart form (RFC 7578).

A JSON file is sent in a form, unless it names its source itself: a body of JSON is a request in the
service's own form, while a file in a form may be as another program wrote it.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from contacts_import.arguments import Arguments
from contacts_import.source_file import SourceFile

PREVIEW_BYTES: Final = 64 * 1024
"""Of the file: a preview looks at no more of them."""


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """``POST /import`` or ``POST /import/preview`` with one file."""

    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    preamble: bytes
    """What the form has before the file."""
    file: SourceFile
    epilogue: bytes
    """What the form has after the file."""
    max_bytes: int | None = None
    """Of the file, as far as it is sent; None for all of it."""

    @property
    def repeatable(self) -> bool:
        """Whether the request can be sent again without importing the file twice."""
        return self.file.repeatable and "Idempotency-Key" in self.headers

    def body(self, progress: Callable[[int], None]) -> Iterator[bytes]:
        """Yield the bytes to send; ``progress`` gets the size of each chunk of the file."""
        if self.preamble:
            yield self.preamble
        for chunk in self.file.chunks(self.max_bytes):
            yield chunk
            progress(len(chunk))
        if self.epilogue:
            yield self.epilogue


def make_request(arguments: Arguments, file: SourceFile, key: str | None) -> ImportRequest:
    """Return the request for a file, with ``key`` as its Idempotency-Key unless that is None.

    It asks for a preview, of the beginning of the file, if the arguments do.
    """
    file_type, query, preamble, epilogue = arguments.file_type, arguments.query, b"", b""
    max_bytes = PREVIEW_BYTES if arguments.preview else None
    headers = {"Content-Type": file_type.media_type}
    if file_type.compression:
        headers["Content-Encoding"] = file_type.compression
    if file_type.format == "json" and (arguments.source is not None or arguments.preview):
        headers, preamble, epilogue = _form(arguments)
    elif arguments.source is not None:
        query = (("source", arguments.source), *query)
    if key is not None:
        headers["Idempotency-Key"] = f'"{key}"'
    if file.size is not None:
        size = min(file.size, max_bytes or file.size)
        headers["Content-Length"] = str(len(preamble) + size + len(epilogue))
    return ImportRequest(query, headers, preamble, file, epilogue, max_bytes)


def derive_key(arguments: Arguments, file: SourceFile, progress: Callable[[int], None]) -> str:
    """Return an Idempotency-Key that is the same for the same file and options.

    Reads the whole file; ``progress`` gets the size of each chunk.
    """
    for chunk in file.chunks():
        progress(len(chunk))
    file_type = (arguments.file_type.format, arguments.file_type.compression)
    options = (arguments.source, file_type, sorted(arguments.query))
    return hashlib.sha256(f"{file.sha256} {options!r}".encode()).hexdigest()


def _form(arguments: Arguments) -> tuple[dict[str, str], bytes, bytes]:
    """Return the headers, and the bytes before and after the file."""
    file_type, boundary = arguments.file_type, secrets.token_hex(16)
    source = (
        ""
        if arguments.source is None
        else f'--{boundary}\r\nContent-Disposition: form-data; name="source"\r\n\r\n'
        f"{arguments.source}\r\n"
    )
    preamble = (
        f"{source}--{boundary}\r\nContent-Disposition: form-data; "
        f'name="file"; filename="{file_type.generic_name}"\r\n'
        f"Content-Type: {file_type.media_type}\r\n\r\n"
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return headers, preamble.encode(), f"\r\n--{boundary}--\r\n".encode()
