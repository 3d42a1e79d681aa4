"""Builds the request that sends a file: as the body, or as a multipart form (RFC 7578).

A form is needed for a JSON file whose source is an argument: such a file is a plain array, and the
service takes no ``source`` parameter for JSON bodies.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contacts_import.arguments import Arguments
from contacts_import.source_file import SourceFile


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """``POST /import`` with one file."""

    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    preamble: bytes
    """What the form has before the file."""
    file: SourceFile
    epilogue: bytes
    """What the form has after the file."""

    @property
    def repeatable(self) -> bool:
        """Whether the request can be sent again without importing the file twice."""
        return self.file.repeatable and "Idempotency-Key" in self.headers

    def body(self, progress: Callable[[int], None]) -> Iterator[bytes]:
        """Yield the bytes to send; ``progress`` gets the size of each chunk of the file."""
        if self.preamble:
            yield self.preamble
        for chunk in self.file.chunks():
            yield chunk
            progress(len(chunk))
        if self.epilogue:
            yield self.epilogue


def make_request(arguments: Arguments, file: SourceFile, key: str | None) -> ImportRequest:
    """Return the request for a file, with ``key`` as its Idempotency-Key unless that is None."""
    file_type, query, preamble, epilogue = arguments.file_type, arguments.query, b"", b""
    charset = f"; charset={arguments.charset}" if arguments.charset else ""
    headers = {"Content-Type": f"{file_type.media_type}{charset}"}
    if file_type.compression:
        headers["Content-Encoding"] = file_type.compression
    if arguments.source is not None:
        if file_type.format == "json":
            headers, preamble, epilogue = _form(arguments, arguments.source)
        else:
            query = (("source", arguments.source), *query)
    if key is not None:
        headers["Idempotency-Key"] = f'"{key}"'
    if file.size is not None:
        headers["Content-Length"] = str(len(preamble) + file.size + len(epilogue))
    return ImportRequest(query, headers, preamble, file, epilogue)


def derive_key(arguments: Arguments, file: SourceFile, progress: Callable[[int], None]) -> str:
    """Return an Idempotency-Key that is the same for the same file and options.

    Reads the whole file; ``progress`` gets the size of each chunk.
    """
    for chunk in file.chunks():
        progress(len(chunk))
    file_type = (arguments.file_type.format, arguments.file_type.compression)
    options = (arguments.source, file_type, arguments.charset, sorted(arguments.query))
    return hashlib.sha256(f"{file.sha256} {options!r}".encode()).hexdigest()


def _form(arguments: Arguments, source: str) -> tuple[dict[str, str], bytes, bytes]:
    """Return the headers, and the bytes before and after the file."""
    file_type, boundary = arguments.file_type, secrets.token_hex(16)
    preamble = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="source"\r\n\r\n{source}\r\n'
        f"--{boundary}\r\nContent-Disposition: form-data; "
        f'name="file"; filename="{file_type.generic_name}"\r\n'
        f"Content-Type: {file_type.media_type}\r\n\r\n"
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return headers, preamble.encode(), f"\r\n--{boundary}--\r\n".encode()
