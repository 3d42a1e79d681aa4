"""The one place where the errors of foreign libraries become ours.

What is worth another try: lost or refused connections, time-outs, and the statuses 408, 425, 429
and 5xx. Storage answers 400 for many things (see its ``statusCode`` and ``code``), so the status
inside its body counts more than the one of HTTP.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import aiohttp
import httpx
from postgrest.exceptions import APIError
from storage3.exceptions import StorageApiError, VectorBucketException
from storage3.utils import StorageException

from config.errors import IllegalMove, Permanent, Transient, UpstreamError

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
_OTHERS: Final = (httpx.HTTPError, aiohttp.ClientError, StorageException, VectorBucketException)


@contextmanager
def translated(upstream: str) -> Iterator[None]:
    """Raise UpstreamError for ``upstream`` in place of what httpx, aiohttp and supabase raise."""
    try:
        yield
    except (httpx.TransportError, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as e:
        raise Transient(
            upstream,
            f"cannot be reached ({type(e).__name__})",
            code="unreachable",
            undone=isinstance(e, _NEVER_SENT),
        ) from e
    except (TimeoutError, ConnectionError) as error:
        raise Transient(upstream, "did not answer in time", code="timeout") from error
    except APIError as error:
        code, message = str(error.code or ""), str(error.message or "no message")
        raise from_code(upstream, code, message) from error
    except StorageApiError as error:
        raise from_status(
            upstream, _status(error.status), error.message, code=error.code
        ) from error
    except _OTHERS as error:
        raise Permanent(upstream, f"broke the protocol ({type(error).__name__})") from error


@contextmanager
def moves_refused() -> Iterator[None]:
    """Raise IllegalMove in place of the error by which the ledger's functions refuse a move."""
    try:
        yield
    except Permanent as error:
        if error.code == _ILLEGAL_MOVE:
            raise IllegalMove(error.detail) from None
        raise


def from_status(
    upstream: str, status: int, detail: str, *, code: str = "", retry_after: float | None = None
) -> UpstreamError:
    """Our error for an answer with a status of failure."""
    detail, code = detail[:_MAX_DETAIL], known_code(code) or str(status)
    if status >= 500 or status in _TRANSIENT_STATUSES:
        return Transient(upstream, detail, code=code, status=status, retry_after=retry_after)
    return Permanent(upstream, detail, code=code, status=status)


def from_body(
    upstream: str, status: int, body: bytes, *, retry_after: float | None = None
) -> UpstreamError:
    """Our error for an answer of Storage: the status in its body counts, where there is one."""
    told = told_in(body)
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
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def retry_after(headers: Any) -> float | None:  # noqa: ANN401 -- httpx's or aiohttp's mapping
    """Seconds of a Retry-After header (RFC 9110, 10.2.3); a date is not looked at."""
    value = str(headers.get("Retry-After", ""))
    return float(value) if value.isdigit() else None


def is_undone(code: str) -> bool:
    """Whether a code of Postgres or PostgREST says that nothing can have been committed."""
    return code.startswith(_UNDONE_CODES)


def from_code(upstream: str, code: str, message: str) -> UpstreamError:
    """Our error for a code of PostgREST or Postgres: an SQLSTATE, PGRST..., or an HTTP status."""
    code, message = known_code(code) or "unknown", message[:_MAX_DETAIL]
    if code.isdigit() and len(code) == 3:  # no JSON body: the status stands for the code
        return from_status(upstream, int(code), message, code=code)
    if code.startswith(_TRANSIENT_SQLSTATES):
        return Transient(upstream, message, code=code, undone=is_undone(code))
    return Permanent(upstream, message, code=code)


def known_code(value: object) -> str:
    """What another side calls an error, empty if that is no code.

    A code is for clients to see, too: a sentence, or the name of a host, is none.
    """
    text = str(value or "")
    return text if _is_code(text) else ""


def _status(value: object, *, default: int = 500) -> int:
    text = str(value)
    return int(text) if text.isdigit() else default
