"""Requests and answers of Supabase Storage, without I/O: what both Storage clients share.

Resumable uploads follow TUS (tus.io, protocol 1.0.0). supabase-py can neither stream or resume an
upload nor read a range of an object, so these requests are made here.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self
from urllib.parse import quote

from core.errors import PermanentError, StorageConflictError, TransientError, UpstreamError
from core.supabase.errors import (
    STORAGE,
    error_from_body,
    is_missing_object,
    is_web_page,
    parse_json_object,
    retry_after_seconds,
)

BUCKET: Final = "imports"
"""The bucket that holds the objects of all imports."""
RESUMABLE_PATH: Final = "/storage/v1/upload/resumable"
PIECE_BYTES: Final = 64 * 1024
"""Size of the pieces in which objects are read."""

OBJECT_MISSING: Final = "object_missing"
"""Code of the error that an object does not exist."""
WRONG_RANGE: Final = "range_refused"
"""Code of the error that Storage sent other bytes than the requested range."""
NAME_TAKEN: Final = "name_taken"
"""Code of the error that the name belongs to another object."""

_CONFLICT_STATUSES: Final = {409, 423}
_ALREADY_EXISTS: Final = "The resource already exists"
_TUS_VERSION: Final = "Tus-Resumable"
"""Storage sends this header with every answer of its resumable routes; a gateway does not."""
TUS_HEADERS: Final = {_TUS_VERSION: "1.0.0"}
_is_byte_count: Final = re.compile(r"[0-9]{1,18}").fullmatch
_parse_content_range: Final = re.compile(r"bytes (\d+)-(\d+)/(?:\d+|\*)").fullmatch


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a resumable upload is."""

    offset: int
    """Number of bytes that Storage has."""
    length: int | None
    """Number of bytes of the whole object; None while Storage does not know it."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An entry of the bucket's listing: a complete object, or a folder that holds some."""

    name: str
    created_at: float
    """Seconds since 1970, by the clock of Storage; 0 for a folder, which has no date."""
    is_folder: bool = False

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Self:
        """Read an entry of Storage's answer, in which folders have neither id nor date."""
        if entry["id"] is None:
            return cls(entry["name"], 0.0, is_folder=True)
        return cls(entry["name"], datetime.fromisoformat(entry["created_at"]).timestamp())


def object_path(name: str) -> str:
    """Path for standard uploads and reads of an object."""
    return f"/storage/v1/object/{BUCKET}/{quote(name)}"


def object_info_path(name: str) -> str:
    """Path of what Storage knows about an object."""
    return f"/storage/v1/object/info/{BUCKET}/{quote(name)}"


def standard_upload_headers(content_type: str, size: int) -> dict[str, str]:
    """Headers for an upload of ``size`` bytes that must not replace an object."""
    return {"Content-Type": content_type, "Content-Length": str(size), "x-upsert": "false"}


def create_upload_headers(name: str, content_type: str) -> dict[str, str]:
    """Headers that start a resumable upload of unknown length."""
    metadata = {
        "bucketName": BUCKET,
        "objectName": name,
        "contentType": content_type,
        "cacheControl": "3600",
    }
    encoded = ",".join(f"{key} {b64encode(v.encode()).decode()}" for key, v in metadata.items())
    return TUS_HEADERS | {"Upload-Defer-Length": "1", "Upload-Metadata": encoded}


def append_headers(offset: int, size: int, length: int | None) -> dict[str, str]:
    """Headers that append ``size`` bytes at ``offset``; the object's ``length`` ends the upload."""
    headers = TUS_HEADERS | {
        "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(size),
    }
    return headers if length is None else headers | {"Upload-Length": str(length)}


def created_upload_path(headers: Mapping[str, str]) -> str:
    """Return the path of an upload that was just created; raises TransientError if there is none.

    Host and scheme of ``Location`` may be wrong behind a gateway, so only its last segment counts.
    """
    upload_id = headers.get("Location", "").rstrip("/").rpartition("/")[2]
    if not upload_id:
        raise gateway_error("201 without the upload's address")
    return f"{RESUMABLE_PATH}/{upload_id}"


def progress_in(headers: Mapping[str, str]) -> Progress:
    """Read the progress of an upload from the answer to a HEAD request."""
    length = byte_count(headers, "Upload-Length") if "Upload-Length" in headers else None
    return Progress(byte_count(headers, "Upload-Offset"), length)


def byte_count(headers: Mapping[str, str], name: str) -> int:
    """Return the number in a header; raises TransientError if it is missing or malformed."""
    text = headers.get(name, "")
    if not _is_byte_count(text):
        raise gateway_error(f"a success without a usable {name}")
    return int(text)


def body_field(body: bytes, name: str) -> Any:  # noqa: ANN401 -- JSON
    """Return a field of a JSON answer; None if it is missing."""
    return (parse_json_object(body) or {}).get(name)


def is_resumable_answer(headers: Mapping[str, str]) -> bool:
    """Whether a resumable route of Storage itself has answered, not a gateway."""
    return _TUS_VERSION in headers


def is_range(status: int, headers: Mapping[str, str], start: int, end: int) -> bool:
    """Whether a successful answer to a ranged read has the bytes ``[start, end)``."""
    if status == 200:  # the whole object: right if that is the range
        return start == 0 and headers.get("Content-Length") == str(end)
    match = _parse_content_range(headers.get("Content-Range", ""))
    return status == 206 and match is not None and match.groups() == (str(start), str(end - 1))


def is_failed_read(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer to a read is an error, a redirection, or a web page."""
    return status >= 300 or is_web_page(headers)


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """Return our error for a failed read; a missing object is permanent, code OBJECT_MISSING."""
    error = _error(status, headers, body)
    if is_missing_object(error):
        return PermanentError(STORAGE, error.detail, code=OBJECT_MISSING, status=404)
    return error


def answer_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """Return our error for an unexpected answer; 409 and 423 are StorageConflictError."""
    error = _error(status, headers, body)
    conflict = isinstance(error, PermanentError) and error.status == 409
    if conflict or status in _CONFLICT_STATUSES:
        wait = retry_after_seconds(headers)
        return StorageConflictError(STORAGE, error.detail, code=error.code, retry_after=wait)
    return error


def create_upload_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """Return our error for a resumable upload that was not created; a taken name is permanent."""
    error = answer_error(status, headers, body)
    if (
        isinstance(error, StorageConflictError)
        and is_resumable_answer(headers)
        and error.detail.startswith(_ALREADY_EXISTS)
    ):
        return PermanentError(STORAGE, error.detail, code=NAME_TAKEN, status=409)
    return error


def gateway_error(answer: str) -> TransientError:
    """Return our error for a success that lacks what Storage always sends: a gateway answered."""
    return TransientError(STORAGE, f"answered {answer}", code="gateway")


def _error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    return error_from_body(
        STORAGE,
        status,
        body,
        retry_after=retry_after_seconds(headers),
        from_upstream=is_resumable_answer(headers),
    )
