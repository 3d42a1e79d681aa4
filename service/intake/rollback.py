"""Imports that may have been recorded: all answers were lost, and then the database was away.

Whoever sent one was told to send it again, so it is taken back as soon as the database answers, if
no worker was faster. Until then its object stays: without it, an import that was recorded would
fail, and with it goes on as a whole. What is still undecided when the process ends needs nobody:
the sweep removes an object without an import, and an import that was recorded is imported.
"""

import asyncio
from collections import deque
from typing import Final, Protocol
from uuid import UUID

import structlog

from core.errors import TransientError, UpstreamError

_MOST: Final = 1000
"""Imports that wait here; those beyond are left to the sweep."""
_PAUSE_SECONDS: Final = 0.5
"""Short: workers, who wait for the same database, must not be faster."""

_log = structlog.stdlib.get_logger(__name__)


class Repository(Protocol):
    """What is needed of the service's repository."""

    async def discard_import(self, import_id: UUID, seconds: float) -> bool:
        """See service.repository.Repository."""
        ...


class Object(Protocol):
    """What is needed of an upload."""

    async def undo(self, seconds: float) -> None:
        """See service.intake.upload.Upload."""
        ...


class PendingRollbacks:
    """Takes them back one after the other, for as long as the process lives."""

    def __init__(self, repository: Repository, *, seconds: float) -> None:
        """``seconds`` bounds each try."""
        self._repository = repository
        self._seconds = seconds
        self._waiting: deque[tuple[UUID, Object]] = deque()
        self._working: asyncio.Task[None] | None = None

    def add(self, import_id: UUID, stored: Object) -> None:
        """Have an import taken back, and its object removed after that."""
        if len(self._waiting) >= _MOST:
            _log.error("left behind", reason="too many imports are undecided")
            return
        self._waiting.append((import_id, stored))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())

    async def close(self, seconds: float) -> None:
        """Go on for so long at most."""
        if self._working is not None and not self._working.done():
            await asyncio.wait([self._working], timeout=seconds)
            self._working.cancel()
            await asyncio.wait([self._working])
        for import_id, _ in self._waiting:
            _log.error("left behind", import_id=str(import_id), reason="the database is away")

    async def _work(self) -> None:
        while self._waiting:
            import_id, stored = self._waiting[0]
            with structlog.contextvars.bound_contextvars(import_id=str(import_id)):
                if await self._decide(import_id, stored):
                    self._waiting.popleft()
                else:
                    await asyncio.sleep(_PAUSE_SECONDS)

    async def _decide(self, import_id: UUID, stored: Object) -> bool:
        """Returns whether there is nothing left to try."""
        try:
            if await self._repository.discard_import(import_id, self._seconds):
                _log.warning("import goes on though its client was refused")
                return True
        except TransientError:
            return False
        except UpstreamError as error:
            _log.error("left behind", upstream=error.upstream, reason=error.detail)
            return True
        await self._remove(stored)
        return True

    async def _remove(self, stored: Object) -> None:
        try:
            await stored.undo(self._seconds)
        except UpstreamError as error:
            _log.error("left behind", upstream=error.upstream, reason=error.detail)
        else:
            _log.info("import taken back")
