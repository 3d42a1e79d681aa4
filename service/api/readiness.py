"""Whether Storage does its part: it answers, has our bucket, and takes what is written there.

That a disk is full or a key may only read is seen by writing alone. The uploads themselves tell;
once one has failed, and for as long as none succeeds, a probe asks, since nobody may be sending any
more. It is a resumable upload that is never finished: whatever happens, it becomes no object, and
Storage itself forgets it.
"""

import time
from typing import Final

from core.errors import TransientError
from core.ids import job_id, new_import_id
from core.supabase.errors import STORAGE
from core.supabase.storage_async import AsyncStorageClient

_PROBE_SECONDS: Final = 5.0
"""Least time between two probes of one process, however often it is asked."""


class StorageCheck:
    """What ``/readyz`` asks."""

    def __init__(self, storage: AsyncStorageClient) -> None:
        self._storage = storage
        self._next_probe = 0.0

    async def __call__(self) -> None:
        """Raise UpstreamError if no upload would succeed."""
        await self._storage.check()
        if self._storage.last_write_failed:
            await self._probe_by_turns()

    async def _probe_by_turns(self) -> None:
        if time.monotonic() < self._next_probe:
            raise TransientError(STORAGE, "the last upload failed")
        self._next_probe = time.monotonic() + _PROBE_SECONDS
        await self._probe()

    async def _probe(self) -> None:
        name = f"{job_id(new_import_id())}.probe"
        upload = await self._storage.create_upload(name, "application/octet-stream")
        try:
            await self._storage.append(upload, 0, memoryview(b"?"), length=None)
        finally:
            await self._storage.cancel_upload(upload)
