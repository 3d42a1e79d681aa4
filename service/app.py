"""The application: all parts of the service, put together from its settings."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import aiohttp
import structlog
from aiohttp import web

from config.settings import Settings
from config.tracing import NO_TRACES, Traces, start_traces
from core.errors import UpstreamError
from core.retention import Retention
from core.supabase.clients import Project, async_client
from core.supabase.rpc import AsyncRpcClient
from core.supabase.storage_async import AsyncStorageClient
from service.api.authorization import Authorization
from service.api.client_address import ClientAddresses
from service.api.erasures import Erasures
from service.api.health import Health, StorageCheck
from service.api.imports import Imports
from service.api.middleware import problems_middleware
from service.api.previews import Previews
from service.api.rejections import Rejections
from service.api.response_headers import add_headers
from service.api.routes import add_routes
from service.api.tracing import tracing_middleware
from service.api.uploads import Uploads
from service.fair_scheduling import FairScheduler
from service.intake.accept import Intake
from service.intake.limits import Limits
from service.intake.places import UploadPlaces
from service.keys.key_file import KeyFile
from service.metrics import ServiceMetrics
from service.repository import Repository
from service.web.handlers import Pages

INTAKE: Final = web.AppKey("intake", Intake)
METRICS: Final = web.AppKey("metrics", ServiceMetrics)
TRACES: Final = web.AppKey("traces", Traces)

_log = structlog.stdlib.get_logger(__name__)


async def create_app(settings: Settings) -> web.Application:
    """Return the application; its cleanup closes all connections to Supabase.

    Raises KeyFileError if there is a file of keys and it cannot be used.
    """
    metrics = ServiceMetrics()
    traces = start_traces(settings, "web")
    keys = await _read_keys(settings)
    authorization = Authorization(keys, metrics, protect_metrics=settings.api_keys_protect_metrics)
    pages = await Pages.load(authorization.scopes)
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
    rpc = AsyncRpcClient(
        supabase, deadline=settings.upstream_deadline, on_retry=metrics.count_retry
    )
    repository = Repository(rpc, traces)
    limits = Limits.from_settings(settings)
    intake = Intake(
        storage,
        repository,
        limits,
        deadline=settings.upstream_deadline,
        traces=traces,
        on_retry=metrics.count_retry,
    )
    places = UploadPlaces(settings.max_uploads, settings.max_uploads_per_client)
    metrics.watch_uploads(lambda: places.taken, settings.max_uploads)
    addresses = ClientAddresses(settings.client_address_header, settings.proxy_networks())
    retention = Retention(settings.keep_objects, settings.keep_rejections, settings.keep_imports)
    upload_parts = (intake, metrics, limits, places, addresses)

    async def connections(_: web.Application) -> AsyncIterator[None]:
        await _ensure_bucket(storage)
        yield
        await intake.close()
        await session.close()
        await supabase.postgrest.aclose()

    middlewares = [problems_middleware(metrics, settings.known_hosts())]
    if traces is not NO_TRACES:
        middlewares.insert(0, tracing_middleware(traces))
    app = web.Application(middlewares=middlewares)
    app.on_response_prepare.append(add_headers)
    app[INTAKE], app[METRICS], app[TRACES] = intake, metrics, traces
    app.cleanup_ctx.append(connections)
    if keys is not None:
        app.cleanup_ctx.append(_watching(keys))
    add_routes(
        app,
        authorization,
        Imports(intake, repository, metrics, Uploads(*upload_parts), retention),
        Previews(metrics, limits, Uploads(*upload_parts, needs_source=False)),
        Rejections(repository, storage),
        Erasures(repository, limits),
        Health(repository, StorageCheck(storage), metrics),
        pages,
    )
    return app


async def _read_keys(settings: Settings) -> KeyFile | None:
    """Return the file of keys, None if there is none; raises KeyFileError."""
    if settings.api_keys_file is None:
        if settings.is_public:
            # Possibly meant so, behind a gateway; or the variable was empty by mistake.
            _log.warning("no API keys: everybody who reaches the service may do everything")
        return None
    keys = await asyncio.to_thread(KeyFile, settings.api_keys_file)
    _log.info("API keys read", keys=len(keys.keys))
    return keys


def _watching(keys: KeyFile) -> Callable[[web.Application], AsyncIterator[None]]:
    """Return a cleanup context in which changes of the keys are noticed."""

    async def watching(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(keys.watch())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    return watching


async def _ensure_bucket(storage: AsyncStorageClient) -> None:
    """Create the bucket if there is none.

    An unavailable Storage does not keep the service from starting: /readyz reports it.
    """
    try:
        await storage.ensure_bucket()
    except UpstreamError as error:
        _log.warning("bucket not checked", reason=error.detail)
