"""The one place where the errors of foreign libraries become ours.

What is worth another try: lost or refused connections, time-outs, and the statuses 408, 425, 429
and 5xx. Storage answers 400 for many things (see its ``statusCode`` and ``code``), so the status
inside its body counts more than the one of HTTP.

404 and 410 mean that something is gone only if Storage or PostgREST itself answered, which the form
of the body shows. From a gateway in front of them, which has no route for now, they are worth
another try, and so are redirections and web pages in place of a success.
"""

import json
import re
from collections.abc import Iterator
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
    InvalidTransitionError,
    PermanentError,
    TransientError,
    UpstreamError,
)

STORAGE: Final = "storage"
DATABASE: Final = "database"
_ILLEGAL_MOVE: Final = "PT409"
"""The SQLSTATE by which the ledger's functions refuse."""

_TRANSIENT_STATUSES: Final = {408, 423, 425, 429, 544}
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
# Those of them after which nothing can have been committed: PGRST001, say, may be a lost answer.
_UNDONE_CODES: Final = (
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
_MAX_DETAIL: Final = 300
_is_code: Final = re.compile(r"[A-Za-z0-9_]{1,40}").fullmatch
_is_failure: Final = re.compile(r"[45][0-9]{2}").fullmatch
_is_postgrests: Final = re.compile(r"PGRST[A-Z0-9]+|[A-Z0-9]{5}").fullmatch
"""Its own codes, or SQLSTATEs."""
_GONE: Final = {404, 410}
_NO_SUCH_KEY: Final = "NoSuchKey"
_NOT_FOUND: Final = "not_found"
_STORAGES_WORDS: Final = {_NO_SUCH_KEY, _NOT_FOUND, "NoSuchBucket", "Bucket not found"}
"""By ``code`` or ``error``, where something is gone."""
_TOO_MUCH: Final = frozenset({"57014", "413"})
_OTHERS: Final = (httpx.HTTPError, aiohttp.ClientError, StorageException, VectorBucketException)


@contextmanager
def translated(upstream: str) -> Iterator[None]:
    """Raise UpstreamError for ``upstream`` in place of what httpx, aiohttp and supabase raise."""
    try:
        yield
    except (httpx.TransportError, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as e:
        raise TransientError(
            upstream,
            f"cannot be reached ({type(e).__name__})",
            code="unreachable",
            undone=isinstance(e, _NEVER_SENT),
        ) from e
    except (TimeoutError, ConnectionError) as error:
        raise TransientError(upstream, "did not answer in time", code="timeout") from error
    except APIError as error:
        code, message = str(error.code or ""), str(error.message or "no message")
        raise from_code(upstream, code, message) from error
    except StorageApiError as error:
        raise from_status(
            upstream, _status(error.status), error.message, code=error.code
        ) from error
    except _OTHERS as error:
        raise PermanentError(upstream, f"broke the protocol ({type(error).__name__})") from error


@contextmanager
def transitions_translated() -> Iterator[None]:
    """Raise InvalidTransitionError in place of the error by which the ledger's functions refuse a move."""
    try:
        yield
    except PermanentError as error:
        if error.code == _ILLEGAL_MOVE:
            raise InvalidTransitionError(error.detail) from None
        raise


@contextmanager
def too_large_translated() -> Iterator[None]:
    """Raise BatchTooLargeError where what was sent was refused for its size or its time."""
    try:
        yield
    except UpstreamError as error:
        if error.code in _TOO_MUCH:
            raise BatchTooLargeError from error
        raise


def from_status(
    upstream: str, status: int, detail: str, *, code: str = "", retry_after: float | None = None
) -> UpstreamError:
    """Our error for an answer with a status that was not expected.

    Neither Storage nor PostgREST gives one below 400: a gateway answered, which may pass.
    """
    detail, code = detail[:_MAX_DETAIL], known_code(code) or str(status)
    if status < 400 or status >= 500 or status in _TRANSIENT_STATUSES:
        return TransientError(upstream, detail, code=code, status=status, retry_after=retry_after)
    return PermanentError(upstream, detail, code=code, status=status)


def from_body(
    upstream: str,
    status: int,
    body: bytes,
    *,
    retry_after: float | None = None,
    own: bool = False,
) -> UpstreamError:
    """Our error for an answer of Storage: the status in its body counts, where there is one.

    ``own`` is whether the answer is known to be Storage's, whatever its body is.
    """
    told = told_in(body)
    if not own and is_from_gateway(upstream, status, told):
        return _not_found_on_the_way(upstream, status, retry_after)
    if told is None:
        text = body.decode("utf-8", "replace")
        return from_status(upstream, status, text or f"status {status}", retry_after=retry_after)
    inner = _status(told.get("statusCode", status), default=status)
    message = str(told.get("message", f"status {status}"))
    return from_status(
        upstream,
        inner,
        message,
        code=str(told.get("code") or told.get("error") or ""),
        retry_after=retry_after,
    )


def told_in(body: bytes) -> dict[str, Any] | None:
    """The JSON object that an error's body is, if it is one."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def is_from_gateway(upstream: str, status: int, told: dict[str, Any] | None) -> bool:
    """Whether the status is 404 or 410 and the body is not of the form that ``upstream`` uses."""
    if status not in _GONE:
        return False
    told = told or {}
    if upstream == DATABASE:
        return not _is_postgrests(str(told.get("code")))
    words = {str(told.get("code")), str(told.get("error"))}
    return not (isinstance(told.get("statusCode"), str) or words & _STORAGES_WORDS)


def is_page(headers: Any) -> bool:  # noqa: ANN401 -- httpx's or aiohttp's mapping
    """Whether an answer is a web page, which neither Storage nor PostgREST sends."""
    return str(headers.get("Content-Type", "")).lower().startswith("text/html")


def is_missing_object(error: UpstreamError) -> bool:
    """Whether Storage itself answered that the object is missing, as opposed to the bucket."""
    return error.code == _NO_SUCH_KEY or (error.code == _NOT_FOUND and error.status == 404)


def _not_found_on_the_way(upstream: str, status: int, retry_after: float | None) -> TransientError:
    return TransientError(
        upstream,
        f"is not found by the gateway in front of it (status {status})",
        code=str(status),
        status=status,
        retry_after=retry_after,
    )


def retry_after(headers: Any) -> float | None:  # noqa: ANN401 -- httpx's or aiohttp's mapping
    """Seconds until the time in a Retry-After header (RFC 9110, 10.2.3), a number or a date.

    Returns None if the header is missing or malformed. The value is not bounded here: TransientError and
    the webhooks have limits of their own.
    """
    value = str(headers.get("Retry-After", "")).strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        # A date without a zone, such as asctime's, is in UTC.
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (aware - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def is_undone(code: str) -> bool:
    """Whether a code of Postgres or PostgREST says that nothing can have been committed."""
    return code.startswith(_UNDONE_CODES)


def from_code(upstream: str, code: str, message: str) -> UpstreamError:
    """Our error for a code of PostgREST or Postgres: an SQLSTATE, PGRST..., or an HTTP status."""
    code, message = known_code(code) or "unknown", message[:_MAX_DETAIL]
    if _is_failure(code):  # no JSON body of PostgREST's: the status stands for the code
        if is_from_gateway(upstream, int(code), None):
            return _not_found_on_the_way(upstream, int(code), None)
        return from_status(upstream, int(code), message, code=code)
    if code.startswith(_TRANSIENT_SQLSTATES):
        return TransientError(upstream, message, code=code, undone=is_undone(code))
    return PermanentError(upstream, message, code=code)


def known_code(value: object) -> str:
    """What another side calls an error, empty if that is no code.

    A code is for clients to see, too: a sentence, or the name of a host, is none.
    """
    text = str(value or "")
    return text if _is_code(text) else ""


def _status(value: object, *, default: int = 500) -> int:
    text = str(value)
    return int(text) if _is_failure(text) else default
