"""The service, put together from its settings."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import structlog
from aiohttp import web

from config.clients import key_headers, supabase_async
from config.errors import UpstreamError
from config.settings import Settings
from service.bodies import Limits
from service.handlers import Handlers
from service.intake import Intake
from service.jobs import Jobs
from service.ledger import Ledger
from service.metrics import ServiceMetrics
from service.middleware import problems_middleware
from service.pages.handlers import Pages
from service.readiness import StorageCheck
from service.rejections import Rejections
from service.routes import add_routes
from service.storage import Storage

INTAKE: Final = web.AppKey("intake", Intake)

_log = structlog.stdlib.get_logger(__name__)


async def create_app(settings: Settings) -> web.Application:
    """The application; its connections open with the first request and close at its cleanup."""
    pages = await asyncio.to_thread(Pages)
    supabase = supabase_async(settings)
    session = aiohttp.ClientSession(
        settings.supabase_url,
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=10, sock_read=settings.upstream_deadline
        ),
        connector=aiohttp.TCPConnector(limit=0),
    )
    storage = Storage(supabase, session, key_headers(settings))
    ledger = Ledger(supabase, deadline=settings.upstream_deadline * 2 / 3)
    intake = Intake(storage, ledger, deadline=settings.upstream_deadline)
    metrics = ServiceMetrics()

    async def connections(_: web.Application) -> AsyncIterator[None]:
        await _ensure_bucket(storage)
        yield
        await intake.close()
        await session.close()
        await supabase.postgrest.aclose()

    app = web.Application(middlewares=[problems_middleware(metrics)])
    app[INTAKE] = intake
    app.cleanup_ctx.append(connections)
    limits = Limits.of(settings)
    add_routes(
        app,
        Handlers(
            intake=intake,
            ledger=ledger,
            storage=StorageCheck(storage),
            metrics=metrics,
            limits=limits,
        ),
        Jobs(ledger, metrics),
        Rejections(ledger, storage, write_seconds=settings.idle_timeout),
        pages,
    )
    return app


async def _ensure_bucket(storage: Storage) -> None:
    """A new project gets its bucket; if Storage is away now, /readyz tells until it is back."""
    try:
        await storage.ensure_bucket()
    except UpstreamError as error:
        _log.warning("bucket not checked", reason=error.detail)
