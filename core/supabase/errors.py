"""Translates the errors of httpx, aiohttp and supabase-py into ours.

TransientError is raised for lost and refused connections, time-outs, and the statuses 408, 423,
425, 429 and 5xx. Storage answers 400 for many things, so the ``statusCode`` inside its body
takes precedence over the HTTP status.

404 and 410 mean that something does not exist only if Storage or PostgREST itself answered, which
the form of the body shows. A gateway in front of them that has no route at the moment answers 404
too; that is worth a retry, and so are redirections and web pages in place of a success.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
import httpx
from postgrest.exceptions import APIError
from storage3.exceptions import StorageApiError, VectorBucketException
from storage3.utils import StorageException

from core.errors import (
    BatchTooLargeError,
    ExpiredError,
    InvalidTransitionError,
    PermanentError,
    TransientError,
    UpstreamError,
)

STORAGE: Final = "storage"
DATABASE: Final = "database"

_MAX_DETAIL: Final = 300
"""Characters of a foreign message that our errors keep."""

_TRANSIENT_STATUSES: Final = {408, 423, 425, 429}
"""Of the statuses below 500."""
# Connections, conflicts, resources, a restart, the system, PostgREST without a database, time-outs,
# locks; and 25006: hosted projects are read-only while their disk is full.
_TRANSIENT_SQLSTATES: Final = (
    "08",
    "25006",
    "40",
    "53",
    "55P03",
    "57014",
    "57P",
    "58",
    "PGRST0",
)
# Those of them after which nothing can have been committed. PGRST001 is not one of them: it may
# mean a lost answer.
_NOT_COMMITTED_CODES: Final = (
    "25006",
    "40001",
    "40P01",
    "53",
    "55P03",
    "57014",
    "57P03",
    "PGRST000",
    "PGRST002",
    "PGRST003",
)
_NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    aiohttp.ClientConnectorError,
)
_OTHER_ERRORS: Final = (
    httpx.HTTPError,
    aiohttp.ClientError,
    StorageException,
    VectorBucketException,
)
_INVALID_TRANSITION: Final = "PT409"
"""SQLSTATE that our SQL functions raise for a state change that is not allowed."""
_EXPIRED: Final = "PT410"
"""And for one that needs what has expired."""
_BATCH_TOO_LARGE: Final = frozenset({"57014", "413"})
"""A statement timeout (SQLSTATE), and "Content Too Large" (HTTP status)."""

_GONE_STATUSES: Final = {404, 410}
_NO_SUCH_KEY: Final = "NoSuchKey"
_NOT_FOUND: Final = "not_found"
_NO_BUCKET_CODES: Final = {"NoSuchBucket", "Bucket not found"}
_STORAGE_GONE_CODES: Final = {_NO_SUCH_KEY, _NOT_FOUND, *_NO_BUCKET_CODES}
"""``code`` or ``error`` in the body where Storage itself says that something does not exist."""

_is_code: Final = re.compile(r"[A-Za-z0-9_]{1,40}").fullmatch
_is_error_status: Final = re.compile(r"[45][0-9]{2}").fullmatch
_is_postgrest_code: Final = re.compile(r"PGRST[A-Z0-9]+|[A-Z0-9]{5}").fullmatch
"""PostgREST's own codes, or SQLSTATEs."""


@contextmanager
def translate_errors(upstream: str) -> Iterator[None]:
    """Raise UpstreamError for ``upstream`` in place of what httpx, aiohttp and supabase raise."""
    try:
        yield
    except (httpx.TransportError, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as e:
        raise TransientError(
            upstream,
            f"cannot be reached ({type(e).__name__})",
            code="unreachable",
            not_committed=isinstance(e, _NEVER_SENT),
        ) from e
    except (TimeoutError, ConnectionError) as error:
        raise TransientError(upstream, "did not answer in time", code="timeout") from error
    except APIError as error:
        code, message = str(error.code or ""), str(error.message or "no message")
        raise error_from_code(upstream, code, message) from error
    except StorageApiError as error:
        status = _error_status(error.status)
        raise error_from_status(upstream, status, error.message, code=error.code) from error
    except _OTHER_ERRORS as error:
        raise PermanentError(upstream, f"broke the protocol ({type(error).__name__})") from error


@contextmanager
def translate_transition_errors() -> Iterator[None]:
    """Raise InvalidTransitionError or ExpiredError for the errors that our SQL functions raise."""
    try:
        yield
    except PermanentError as error:
        if error.code == _INVALID_TRANSITION:
            raise InvalidTransitionError(error.detail) from None
        if error.code == _EXPIRED:
            raise ExpiredError(error.detail) from None
        raise


@contextmanager
def translate_size_errors() -> Iterator[None]:
    """Raise BatchTooLargeError in place of a statement timeout and of status 413."""
    try:
        yield
    except UpstreamError as error:
        if error.code in _BATCH_TOO_LARGE:
            raise BatchTooLargeError from error
        raise


def error_from_status(
    upstream: str, status: int, detail: str, *, code: str = "", retry_after: float | None = None
) -> UpstreamError:
    """Return our error for an answer with an unexpected HTTP status.

    A status below 400 is transient: Storage and PostgREST send none, so a gateway answered.
    """
    detail, code = detail[:_MAX_DETAIL], checked_code(code) or str(status)
    if status < 400 or status >= 500 or status in _TRANSIENT_STATUSES:
        return TransientError(upstream, detail, code=code, status=status, retry_after=retry_after)
    return PermanentError(upstream, detail, code=code, status=status)


def error_from_code(upstream: str, code: str, message: str) -> UpstreamError:
    """Return our error for a code of PostgREST or Postgres.

    ``code`` is an SQLSTATE, ``PGRST...``, or an HTTP status where the body was not PostgREST's.
    """
    code, message = checked_code(code) or "unknown", message[:_MAX_DETAIL]
    if _is_error_status(code):
        if is_gateway_not_found(upstream, int(code), None):
            return _gateway_not_found(upstream, int(code), None)
        return error_from_status(upstream, int(code), message, code=code)
    if code.startswith(_TRANSIENT_SQLSTATES):
        return TransientError(upstream, message, code=code, not_committed=is_not_committed(code))
    return PermanentError(upstream, message, code=code)


def error_from_body(
    upstream: str,
    status: int,
    body: bytes,
    *,
    retry_after: float | None = None,
    from_upstream: bool = False,
) -> UpstreamError:
    """Return our error for an answer of Storage, by the status in its body if there is one.

    ``from_upstream`` says that the answer is known to come from Storage, whatever its body is.
    """
    fields = parse_json_object(body)
    if not from_upstream and is_gateway_not_found(upstream, status, fields):
        return _gateway_not_found(upstream, status, retry_after)
    if fields is None:
        text = body.decode("utf-8", "replace")
        return error_from_status(
            upstream, status, text or f"status {status}", retry_after=retry_after
        )
    return error_from_status(
        upstream,
        _error_status(fields.get("statusCode", status), default=status),
        str(fields.get("message", f"status {status}")),
        code=str(fields.get("code") or fields.get("error") or ""),
        retry_after=retry_after,
    )


def is_gateway_not_found(upstream: str, status: int, fields: dict[str, Any] | None) -> bool:
    """Whether the status is 404 or 410 and the answer comes from a gateway, not from ``upstream``.

    ``fields`` is the JSON object in the body; the body of an upstream has a form of its own.
    """
    if status not in _GONE_STATUSES:
        return False
    fields = fields or {}
    if upstream == DATABASE:
        return not _is_postgrest_code(str(fields.get("code")))
    codes = {str(fields.get("code")), str(fields.get("error"))}
    return not (isinstance(fields.get("statusCode"), str) or codes & _STORAGE_GONE_CODES)


def is_web_page(headers: Mapping[str, str]) -> bool:
    """Whether an answer is a web page, which neither Storage nor PostgREST sends."""
    return headers.get("Content-Type", "").lower().startswith("text/html")


def is_missing_object(error: UpstreamError) -> bool:
    """Whether Storage itself answered that the object does not exist (the bucket does)."""
    return error.code == _NO_SUCH_KEY or (error.code == _NOT_FOUND and error.status == 404)


def is_missing_bucket(error: UpstreamError) -> bool:
    """Whether Storage itself answered that the bucket does not exist."""
    return error.code in _NO_BUCKET_CODES or error.detail.startswith("Bucket not found")


def is_not_committed(code: str) -> bool:
    """Whether nothing can have been committed after an error with this code of the database."""
    return code.startswith(_NOT_COMMITTED_CODES)


def parse_json_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a body is; None if it is anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until the time in a Retry-After header (RFC 9110, 10.2.3).

    The header has a number or a date. Returns None if it is missing or malformed. The value is not
    bounded here: TransientError and the webhooks have limits of their own.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        # A date without a zone, such as asctime's, is in UTC.
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (aware - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def checked_code(value: object) -> str:
    """Return an upstream's error code; an empty text if the value is not a code.

    Clients see codes, so a sentence or the name of a host must not pass for one.
    """
    text = str(value or "")
    return text if _is_code(text) else ""


def _error_status(value: object, *, default: int = 500) -> int:
    text = str(value)
    return int(text) if _is_error_status(text) else default


def _gateway_not_found(upstream: str, status: int, retry_after: float | None) -> TransientError:
    return TransientError(
        upstream,
        f"is not found by the gateway in front of it (status {status})",
        code=str(status),
        status=status,
        retry_after=retry_after,
    )
