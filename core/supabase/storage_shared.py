"""The HTTP API of Supabase Storage, without I/O: names, paths, and what its answers mean.

supabase-py can neither stream or resume an upload nor read a range of an object, so the Storage
clients make these requests themselves. Resumable uploads follow TUS (tus.io, protocol 1.0.0).
"""

import re
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
    parse_json_object,
    retry_after_seconds,
)

BUCKET: Final = "imports"
"""The bucket that holds the objects of all imports."""
RESUMABLE_PATH: Final = "/storage/v1/upload/resumable"
PIECE_BYTES: Final = 64 * 1024
"""Size of the pieces in which objects are read."""

UPLOAD_SEEN_EVERY: Final = 60.0
"""After so many seconds the service says again that a resumable upload runs."""
UPLOAD_ABANDONED_AFTER: Final = 900.0
"""A resumable upload of which so many seconds nothing was said is ended by the sweep."""

OBJECT_MISSING: Final = "object_missing"
"""Code of the error that an object does not exist."""
WRONG_RANGE: Final = "range_refused"
"""Code of the error that Storage sent other bytes than the requested range."""
UPLOAD_LOST: Final = "lost"
"""Code of the error that Storage has other bytes of an upload than it was sent."""
UPLOAD_COMPLETE: Final = "whole"
"""Code of the error that an upload cannot be cancelled, since it is complete."""
NAME_TAKEN: Final = "name_taken"
"""Code of the error that the name belongs to another object."""

_SLOWEST_DIGEST: Final = 20e6
"""Bytes a second at which Storage reads an object for its digest, if many are read at once."""

_GONE_STATUSES: Final = {404, 410}
_CONFLICT_STATUSES: Final = {409, 423}
_ALREADY_EXISTS: Final = "The resource already exists"
_TUS_VERSION: Final = "Tus-Resumable"
"""Storage sends this header with every answer of its resumable routes; a gateway does not."""
TUS_HEADERS: Final = {_TUS_VERSION: "1.0.0"}
CANCEL_HEADERS: Final = TUS_HEADERS | {"x-upsert": "true"}
"""For the end of a resumable upload. Without x-upsert, Storage refuses it if there is an object of
that name, which is not changed."""
_is_byte_count: Final = re.compile(r"[0-9]{1,18}").fullmatch


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


def digest_seconds(size: int) -> float:
    """Return how long Storage may work before it answers, for an object of so many bytes.

    Its file backend computes the MD5 of the whole object for each ranged read, and at the end of a
    resumable upload (unless ``STORAGE_FILE_ETAG_ALGORITHM=mtime``): half a second for 70 MB alone,
    and longer beside other reads.
    """
    return size / _SLOWEST_DIGEST


def object_path(name: str) -> str:
    """Path for standard uploads and reads of an object."""
    return f"/storage/v1/object/{BUCKET}/{quote(name)}"


def object_info_path(name: str) -> str:
    """Path of what Storage knows about an object."""
    return f"/storage/v1/object/info/{BUCKET}/{quote(name)}"


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


def cancel_upload_error(
    status: int, headers: Mapping[str, str], body: bytes
) -> UpstreamError | None:
    """Return our error for the answer to the end of a resumable upload; None if there is none left.

    It is a StorageConflictError if Storage has made an object of it, or is doing so.
    """
    if status == 204 or (status in _GONE_STATUSES and is_resumable_answer(headers)):
        return None
    if status == 400:
        detail = body.decode("utf-8", "replace")
        return StorageConflictError(STORAGE, detail, code=UPLOAD_COMPLETE)
    return answer_error(status, headers, body)


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
