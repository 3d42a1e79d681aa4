"""Clients of Supabase, made from the settings: asyncio for the service, blocking for workers."""

from typing import Final

import httpx
from supabase import AsyncClient, AsyncClientOptions, Client, ClientOptions

from config.errors import Transient
from config.settings import Settings
from config.upstream import (
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


def supabase_async(settings: Settings) -> AsyncClient:
    """Client for the service; each request is bounded by the settings' deadline."""
    return AsyncClient(
        settings.supabase_url,
        settings.supabase_service_role_key.get_secret_value(),
        AsyncClientOptions(
            auto_refresh_token=False,
            persist_session=False,
            postgrest_client_retry=False,
            httpx_client=httpx.AsyncClient(
                timeout=settings.upstream_deadline, event_hooks={"response": [_heed_async]}
            ),
        ),
    )


def supabase_blocking(settings: Settings) -> Client:
    """Client for the threads of a worker process, which may all use it at once."""
    return Client(
        settings.supabase_url,
        settings.supabase_service_role_key.get_secret_value(),
        ClientOptions(
            auto_refresh_token=False,
            persist_session=False,
            postgrest_client_retry=False,
            httpx_client=httpx.Client(
                timeout=settings.upstream_deadline, event_hooks={"response": [_heed]}
            ),
        ),
    )


def key_headers(settings: Settings) -> dict[str, str]:
    """Both headers: ``sb_secret_...`` keys are no JWTs and are taken only so."""
    key = settings.supabase_service_role_key.get_secret_value()
    return {"apikey": key, "Authorization": f"Bearer {key}"}


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
    """Raise Transient for what the errors of supabase would not tell.

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
    raise Transient(
        upstream,
        f"is not available (status {status})",
        code=code,
        status=status,
        retry_after=retry_after(response.headers),
        undone=is_undone(code),
    )
