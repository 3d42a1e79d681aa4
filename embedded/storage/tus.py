"""The headers of the tus protocol: reads and checks them, and lets browsers use them."""

import base64
import re
from collections.abc import Mapping
from typing import Final

from embedded.storage import errors

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,termination,expiration"
OFFSET_STREAM = "application/offset+octet-stream"
Metadata = dict[str, str | None]
_is_number = re.compile(r"[0-9]{1,1000}").fullmatch

_CORS_KNOWN: Final = (
    "Authorization, Content-Type, Location, Tus-Extension, Tus-Max-Size, Tus-Resumable, "
    "Tus-Version, Upload-Concat, Upload-Defer-Length, Upload-Length, Upload-Metadata, "
    "Upload-Offset, X-HTTP-Method-Override, X-Requested-With, X-Forwarded-Host, "
    "X-Forwarded-Proto, Forwarded,"
)

ANSWER_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": _CORS_KNOWN,
}
"""With which browsers may use resumable uploads from any page: of each answer."""

PREFLIGHT_HEADERS: Final = {
    "Access-Control-Allow-Headers": f"{_CORS_KNOWN} X-Upsert, Upload-Expires, ApiKey, x-signature",
    "Access-Control-Allow-Methods": "POST, HEAD, PATCH, OPTIONS, DELETE",
    "Access-Control-Max-Age": "86400",
}
"""Of answers to OPTIONS, besides the others."""


def check_version(headers: Mapping[str, str]) -> None:
    """Raise StorageError unless the request has a known protocol version."""
    version = headers.get("Tus-Resumable")
    if version is None:
        raise errors.tus(412, "Tus-Resumable Required\n")
    if version != VERSION:
        raise errors.tus(400, "Invalid tus-resumable\n")


def check_concatenation(headers: Mapping[str, str]) -> None:
    """Raise StorageError for parallel uploads, which this server does not put together."""
    concatenation = headers.get("Upload-Concat")
    if concatenation is None:
        return
    if concatenation != "partial" and not concatenation.startswith("final;"):
        raise errors.tus(400, "Invalid upload-concat\n")
    message = "Concatenation extension is not (yet) supported."
    raise errors.tus(501, f"{message} Disable parallel uploads in the tus client.\n")


def declared_length(headers: Mapping[str, str]) -> int | None:
    """Return the length of a new upload, None if it is declared later."""
    length, deferred = headers.get("Upload-Length"), headers.get("Upload-Defer-Length")
    if (length is None) == (deferred is None):
        raise errors.tus(400, "Upload-Length or Upload-Defer-Length header required\n")
    if deferred not in (None, "1"):
        raise errors.tus(400, "Invalid upload-defer-length\n")
    return None if length is None else number("upload-length", length)


def offset(headers: Mapping[str, str]) -> int:
    """Return the offset of a PATCH."""
    given = headers.get("Upload-Offset")
    if given is None:
        raise errors.tus(403, "Upload-Offset header required\n")
    return number("upload-offset", given)


def number(name: str, text: str) -> int:
    """Return a header that is a number of bytes."""
    if not _is_number(text):
        raise errors.tus(400, f"Invalid {name}\n")
    return int(text)


def parse_metadata(header: str | None) -> Metadata:
    """Parse pairs of a key and a base64 value, separated by commas; the value may be missing."""
    if not header:
        raise errors.tus(400, "Metadata header is required")
    pairs = [pair.split(" ") for pair in header.split(",")]
    if any(len(pair) > 2 or not pair[0] for pair in pairs):
        raise errors.tus(400, "Invalid upload-metadata\n")
    return {pair[0]: _decoded(pair[1]) if len(pair) == 2 else None for pair in pairs}


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except ValueError as error:
        raise errors.tus(400, "Invalid upload-metadata\n") from error


def format_metadata(metadata: Metadata) -> str:
    """Return the header that ``parse_metadata`` reads."""
    return ",".join(
        key if value is None else f"{key} {base64.b64encode(value.encode()).decode()}"
        for key, value in metadata.items()
    )
