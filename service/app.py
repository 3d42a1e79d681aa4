"""The service, put together from its settings."""

from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import structlog
from aiohttp import web

from config.settings import Settings
from core.errors import UpstreamError
from core.supabase.clients import Project, async_client
from core.supabase.rpc import AsyncRpcClient
from core.supabase.storage_async import AsyncStorageClient
from service.api.imports import Handlers
from service.api.jobs import Jobs
from service.api.middleware import problems_middleware
from service.api.readiness import StorageCheck
from service.api.rejections import Rejections
from service.api.routes import add_routes
from service.fair_scheduling import FairScheduler
from service.intake.accept import Intake
from service.intake.request import Limits
from service.metrics import ServiceMetrics
from service.repository import Repository
from service.web.handlers import Pages

INTAKE: Final = web.AppKey("intake", Intake)

_log = structlog.stdlib.get_logger(__name__)


async def create_app(settings: Settings) -> web.Application:
    """The application; its connections open with the first request and close at its cleanup."""
    pages = await Pages.load()
    project = Project(
        settings.supabase_url,
        settings.supabase_service_role_key.get_secret_value(),
        settings.upstream_deadline,
    )
    supabase = async_client(project)
    session = aiohttp.ClientSession(
        settings.supabase_url,
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=10, sock_read=settings.upstream_deadline
        ),
        connector=aiohttp.TCPConnector(limit=0),
    )
    storage = AsyncStorageClient(
        supabase, session, project.headers, before_slice=FairScheduler().next
    )
    repository = Repository(AsyncRpcClient(supabase, deadline=settings.upstream_deadline * 2 / 3))
    intake = Intake(storage, repository, deadline=settings.upstream_deadline)
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
            repository=repository,
            storage=StorageCheck(storage),
            metrics=metrics,
            limits=limits,
        ),
        Jobs(repository, metrics),
        Rejections(repository, storage, write_seconds=settings.idle_timeout),
        pages,
    )
    return app


async def _ensure_bucket(storage: AsyncStorageClient) -> None:
    """A new project gets its bucket; if Storage is away now, /readyz tells until it is back."""
    try:
        await storage.ensure_bucket()
    except UpstreamError as error:
        _log.warning("bucket not checked", reason=error.detail)
