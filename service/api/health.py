"""``/healthz``, ``/readyz`` and ``/metrics``: what load balancers and monitoring ask for."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from core.errors import TransientError, UpstreamError
from core.ids import job_id, new_import_id
from core.supabase.errors import STORAGE
from core.supabase.storage_async import AsyncStorageClient
from service.api import schemas
from service.api.schemas import json_answer
from service.metrics import ServiceMetrics
from service.problems import ProblemError
from service.repository import Repository
from service.upstream_metrics import UpstreamMetrics

_CHECK_SECONDS: Final = 5.0
"""Time limit of each check."""
_PROBE_SECONDS: Final = 5.0
"""Shortest time between two probes of one process, however often it is asked."""

_log = structlog.stdlib.get_logger(__name__)


class StorageCheck:
    """Checks that Storage answers, has our bucket, and accepts uploads.

    Only an upload shows that a disk is full or that a key may only read. Uploads of clients show
    it; after one has failed, and until one succeeds, a probe is uploaded, since there may be no
    further clients. It is a resumable upload that is never finished: it never becomes an object,
    and Storage drops it in the end.
    """

    def __init__(self, storage: AsyncStorageClient) -> None:
        self._storage = storage
        self._next_probe = 0.0

    async def check(self) -> None:
        """Raise UpstreamError if an upload would fail."""
        await self._storage.check()
        if not self._storage.last_write_failed:
            return
        if time.monotonic() < self._next_probe:
            raise TransientError(STORAGE, "the last upload failed")
        self._next_probe = time.monotonic() + _PROBE_SECONDS
        name = f"{job_id(new_import_id())}.probe"
        upload = await self._storage.create_upload(name, "application/octet-stream")
        try:
            await self._storage.append(upload, 0, memoryview(b"?"), length=None)
        finally:
            await self._storage.cancel_upload(upload)


class Health:
    """One handler for each route."""

    def __init__(
        self, repository: Repository, storage: StorageCheck, metrics: ServiceMetrics
    ) -> None:
        self._repository = repository
        self._storage = storage
        self._metrics = metrics
        self._upstreams = UpstreamMetrics(repository.queue_statistics, storage.check)
        metrics.registry.register(self._upstreams)

    async def healthz(self, _: web.Request) -> web.Response:
        """``GET /healthz``: the process is alive."""
        return json_answer(schemas.Health())

    async def readyz(self, _: web.Request) -> web.Response:
        """``GET /readyz``: Storage accepts uploads, PostgREST and the queue answer."""
        checks = {"storage": self._storage.check(), "database": self._repository.check()}
        passed = await asyncio.gather(*map(_passes, checks.values()))
        results: dict[str, schemas.Check] = {
            name: "ok" if ok else "unavailable" for name, ok in zip(checks, passed, strict=True)
        }
        failed = [name for name, result in results.items() if result == "unavailable"]
        if failed:
            raise ProblemError(
                f"{failed[0]}_unavailable",
                f"Not ready: {' and '.join(failed)}.",
                headers={"Retry-After": "5"},
                checks=results,
            )
        return json_answer(schemas.Readiness(checks=results))

    async def metrics(self, _: web.Request) -> web.Response:
        """``GET /metrics``: all metrics in Prometheus' text format."""
        await self._upstreams.refresh()
        return web.Response(
            body=self._metrics.render(),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )


async def _passes(check: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await check
    except (UpstreamError, TimeoutError) as error:
        _log.warning("check failed", reason=str(error))
        return False
    return True
