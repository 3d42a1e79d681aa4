"""The request that carries a file: a body of its own, or a form where the source must be said.

A JSON file that is one array can say no source, and goes as a form (RFC 7578).
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from contacts_import.arguments import Arguments
from contacts_import.source_file import Contents

_BOUNDARY_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Request:
    """``POST /import`` with one file."""

    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    before: bytes
    contents: Contents
    after: bytes

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again when it is not known what became of it."""
        return self.contents.repeatable and "Idempotency-Key" in self.headers

    def body(self, progress: Callable[[int], None]) -> Iterator[bytes]:
        """The bytes to send; ``progress`` is told how many of the file went by."""
        if self.before:
            yield self.before
        for chunk in self.contents.chunks():
            yield chunk
            progress(len(chunk))
        if self.after:
            yield self.after


def make_request(arguments: Arguments, contents: Contents, key: str | None) -> Request:
    """The request for a file, with the Idempotency-Key if there is one."""
    query, headers, before, after = arguments.query, {}, b"", b""
    if arguments.source is None:
        headers = _described(arguments)
    elif arguments.kind.format == "json":
        headers, before, after = _form(arguments, arguments.source)
    else:
        headers = _described(arguments)
        query = (("source", arguments.source), *query)
    if key is not None:
        headers["Idempotency-Key"] = f'"{key}"'
    if contents.size is not None:
        headers["Content-Length"] = str(len(before) + contents.size + len(after))
    return Request(query, headers, before, contents, after)


def derived_key(arguments: Arguments, contents: Contents, read: Callable[[int], None]) -> str:
    """A key that is the same for the same file and options; reads the file to its end."""
    for chunk in contents.chunks():
        read(len(chunk))
    options = (arguments.source, arguments.kind, arguments.charset, sorted(arguments.query))
    return hashlib.sha256(f"{contents.sha256} {options!r}".encode()).hexdigest()


def _described(arguments: Arguments) -> dict[str, str]:
    kind = arguments.kind
    charset = f"; charset={arguments.charset}" if arguments.charset else ""
    headers = {"Content-Type": f"{kind.media_type}{charset}"}
    return headers | ({"Content-Encoding": kind.encoding} if kind.encoding else {})


def _form(arguments: Arguments, source: str) -> tuple[dict[str, str], bytes, bytes]:
    kind, boundary = arguments.kind, secrets.token_hex(_BOUNDARY_BYTES)
    before = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="source"\r\n\r\n{source}\r\n'
        f"--{boundary}\r\nContent-Disposition: form-data; "
        f'name="file"; filename="{kind.name}"\r\n'
        f"Content-Type: {kind.media_type}\r\n\r\n"
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return headers, before.encode(), f"\r\n--{boundary}--\r\n".encode()
