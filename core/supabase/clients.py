"""supabase-py clients of one project: asyncio for the service, blocking for the workers."""

from dataclasses import dataclass, field
from typing import Final

import httpx
from supabase import AsyncClient, AsyncClientOptions, Client, ClientOptions

from core.errors import TransientError
from core.supabase.errors import (
    DATABASE,
    STORAGE,
    checked_code,
    error_from_status,
    is_gateway_not_found,
    is_not_committed,
    is_web_page,
    parse_json_object,
    retry_after_seconds,
)

_KEY_STATUSES: Final = {401, 403}
_UNAVAILABLE_STATUSES: Final = {429, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class Project:
    """A Supabase project: its address, its service role key, and how long to wait for it."""

    url: str
    key: str = field(repr=False)
    deadline: float
    """Seconds that one request may take."""

    @property
    def headers(self) -> dict[str, str]:
        """Both headers that carry the key: ``sb_secret_...`` keys are not JWTs and need both."""
        return {"apikey": self.key, "Authorization": f"Bearer {self.key}"}


def async_client(project: Project) -> AsyncClient:
    """Return the client of the service."""
    hooks = {"response": [_raise_if_unavailable_async]}
    return AsyncClient(
        project.url,
        project.key,
        AsyncClientOptions(
            auto_refresh_token=False,
            persist_session=False,
            postgrest_client_retry=False,
            httpx_client=httpx.AsyncClient(timeout=project.deadline, event_hooks=hooks),
        ),
    )


def blocking_client(project: Project) -> Client:
    """Return the client of a worker process; all its threads may use it at once."""
    return Client(
        project.url,
        project.key,
        ClientOptions(
            auto_refresh_token=False,
            persist_session=False,
            postgrest_client_retry=False,
            httpx_client=httpx.Client(
                timeout=project.deadline, event_hooks={"response": [_raise_if_unavailable]}
            ),
        ),
    )


def _raise_if_unavailable(response: httpx.Response) -> None:
    if not response.is_success or is_web_page(response.headers):
        response.read()
        _check_unavailable(response)


async def _raise_if_unavailable_async(response: httpx.Response) -> None:
    if not response.is_success or is_web_page(response.headers):
        await response.aread()
        _check_unavailable(response)


def _check_unavailable(response: httpx.Response) -> None:
    """Raise our error for failures whose cause supabase's exceptions would lose.

    Those exceptions carry neither Retry-After nor, if a gateway answered with JSON of its own
    (``{"message": ...}``), the status. A gateway's 404, redirection or web page says nothing about
    Supabase. And where PostgREST loses its database connection in the middle of an answer, its
    error has an empty code, which says nothing about the request.
    """
    status, fields = response.status_code, parse_json_object(response.content) or {}
    upstream = STORAGE if "/storage/v1/" in response.request.url.path else DATABASE
    unavailable = (
        status < 400
        or status in _UNAVAILABLE_STATUSES
        or is_gateway_not_found(upstream, status, fields)
    )
    if status in _KEY_STATUSES and not checked_code(fields.get("code")):  # a gateway has the keys
        message = str(fields.get("message") or "the key was refused")
        raise error_from_status(upstream, status, message)
    if not unavailable and fields.get("code", status):
        return
    code = checked_code(fields.get("code")) or str(status)
    raise TransientError(
        upstream,
        f"is not available (status {status})",
        code=code,
        status=status,
        retry_after=retry_after_seconds(response.headers),
        not_committed=is_not_committed(code),
    )
