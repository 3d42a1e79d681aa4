"""Rollback of imports of which it is not known whether they were recorded.

All answers of the database were lost, and it has been unavailable since. The client got a 503 and
may send its request again, so the import is discarded as soon as the database answers, unless a
worker has begun it. Until then its object stays, since a recorded import would fail without it.

Nothing is lost if the process ends first: the sweep removes an object without an import, and a
recorded import is imported.
"""

import asyncio
from collections import deque
from typing import Final
from uuid import UUID

import structlog

from core.errors import TransientError, UpstreamError
from core.ids import job_id
from service.intake.object_upload import Upload
from service.repository import Repository

_MAX_PENDING: Final = 1000
"""Pending rollbacks of a process; any more are left to the sweep."""
_PAUSE_SECONDS: Final = 0.5
"""Between two attempts; short, since workers wait for the same database and must not be faster."""

_log = structlog.stdlib.get_logger(__name__)


class PendingRollbacks:
    """Rolls imports back one after the other, in the background."""

    def __init__(self, repository: Repository, *, seconds: float) -> None:
        """``seconds`` limits each attempt."""
        self._repository = repository
        self._seconds = seconds
        self._pending: deque[tuple[UUID, Upload]] = deque()
        self._task: asyncio.Task[None] | None = None

    def add(self, import_id: UUID, upload: Upload) -> None:
        """Have an import discarded and then its object removed."""
        if len(self._pending) >= _MAX_PENDING:
            _log.error("rollback abandoned", reason="too many rollbacks are pending")
            return
        self._pending.append((import_id, upload))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def close(self, seconds: float) -> None:
        """Continue for at most so many seconds, then abandon the rest."""
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task], timeout=seconds)
            self._task.cancel()
            await asyncio.wait([self._task])
        for import_id, _ in self._pending:
            _log.error(
                "rollback abandoned", job_id=job_id(import_id), reason="database unavailable"
            )

    async def _run(self) -> None:
        while self._pending:
            import_id, upload = self._pending[0]
            with structlog.contextvars.bound_contextvars(job_id=job_id(import_id)):
                try:
                    await self._roll_back(import_id, upload)
                except TransientError:
                    await asyncio.sleep(_PAUSE_SECONDS)
                else:
                    self._pending.popleft()

    async def _roll_back(self, import_id: UUID, upload: Upload) -> None:
        """Raises TransientError if the database is unavailable; logs all other errors."""
        try:
            begun = await self._repository.discard_import(import_id, self._seconds)
        except TransientError:
            raise
        except UpstreamError as error:
            log_failed_rollback(error)
            return
        if begun:
            _log.warning("import continues though its request failed")
            return
        try:
            await upload.rollback(self._seconds)
        except UpstreamError as error:
            log_failed_rollback(error)
        else:
            _log.info("import rolled back")


def log_failed_rollback(error: UpstreamError) -> None:
    """Log that a rollback failed, so that an object or an import is left to the sweep."""
    _log.error("rollback failed", upstream=error.upstream, reason=error.detail)
