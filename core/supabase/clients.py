"""supabase-py clients of one project: asyncio for the service, blocking for the workers."""

from dataclasses import dataclass, field
from typing import Final

import httpx
from supabase import AsyncClient, AsyncClientOptions, Client, ClientOptions

from core.errors import TransientError
from core.supabase.errors import (
    DATABASE,
    STORAGE,
    is_from_gateway,
    is_page,
    is_undone,
    known_code,
    retry_after,
    told_in,
)

_NOT_AVAILABLE: Final = {429, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class Project:
    """A Supabase project: its address, a key that may do everything, and how long to wait."""

    url: str
    key: str = field(repr=False)
    deadline: float
    """Seconds that one request may take."""

    @property
    def headers(self) -> dict[str, str]:
        """Both headers that carry the key: ``sb_secret_...`` keys are no JWTs and need both."""
        return {"apikey": self.key, "Authorization": f"Bearer {self.key}"}


def async_client(project: Project) -> AsyncClient:
    """Return the client of the service."""
    return AsyncClient(
        project.url,
        project.key,
        AsyncClientOptions(
            auto_refresh_token=False,
            persist_session=False,
            postgrest_client_retry=False,
            httpx_client=httpx.AsyncClient(
                timeout=project.deadline, event_hooks={"response": [_heed_async]}
            ),
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
            httpx_client=httpx.Client(timeout=project.deadline, event_hooks={"response": [_heed]}),
        ),
    )


def _heed(response: httpx.Response) -> None:
    if _may_be_gateways(response):
        response.read()
        _judge(response)


async def _heed_async(response: httpx.Response) -> None:
    if _may_be_gateways(response):
        await response.aread()
        _judge(response)


def _may_be_gateways(response: httpx.Response) -> bool:
    return not response.is_success or is_page(response.headers)


def _judge(response: httpx.Response) -> None:
    """Raise TransientError for what the errors of supabase would not tell.

    They carry neither Retry-After nor, if a gateway on the way answered with JSON of its own
    (``{"message": ...}``), the status. A gateway's 404, redirection or web page says nothing about
    what is behind it. And where PostgREST's connection ends in the middle of an answer, it tells an
    error with an empty code, which says nothing about what was asked.
    """
    status, told = response.status_code, told_in(response.content) or {}
    upstream = STORAGE if "/storage/v1/" in response.request.url.path else DATABASE
    away = status < 400 or status in _NOT_AVAILABLE or is_from_gateway(upstream, status, told)
    if not away and told.get("code", status):
        return
    code = known_code(told.get("code")) or str(status)
    raise TransientError(
        upstream,
        f"is not available (status {status})",
        code=code,
        status=status,
        retry_after=retry_after(response.headers),
        undone=is_undone(code),
    )
