"""The sweep: finds imports that lost their message, objects without an import, unfinished uploads.

Crashes leave them behind. It also has what has expired removed. Two sweeps may run at the same
time: a message that is queued is not queued again, and an object is removed only if no import can
refer to it any more.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from core.errors import PermanentError
from core.ids import job_id, parse_job_id
from core.rejection_objects import import_of_folder
from core.states import Format
from core.supabase.storage_blocking import ObjectListing, StorageClient
from core.supabase.storage_shared import UPLOAD_ABANDONED_AFTER, StoredObject
from tasks.maintenance.retention import RetentionSweep
from tasks.repository import Repository

if TYPE_CHECKING:
    from tasks.metrics import Metrics

log = structlog.stdlib.get_logger(__name__)

MESSAGES_EVERY: Final = 60.0
"""Seconds between two sweeps for lost imports, of all workers together."""
_MESSAGES: Final = 5000
"""Messages that are deleted in one statement."""
OBJECTS_EVERY: Final = 3600.0
"""Seconds between two sweeps for objects without an import."""
RETENTION_EVERY: Final = 60.0
"""Seconds between two removals of what has expired."""
_RETENTION_SECONDS: Final = 30.0
"""Seconds that such a removal may take, so that lost imports do not wait for it."""


class SweepKind(StrEnum):
    """What a sweep looks for; each kind has a schedule of its own."""

    MESSAGES = "messages"
    OBJECTS = "objects"
    RETENTION = "retention"


class Sweep:
    """Sweeps; all methods raise UpstreamError, and what was done until then stays done."""

    def __init__(  # noqa: PLR0913 -- all that it looks at, and two times
        self,
        repository: Repository,
        storage: StorageClient,
        metrics: "Metrics",
        retention: RetentionSweep,
        *,
        after: float,
        keep_messages: float,
    ) -> None:
        """``after`` is the age in seconds at which an object without an import is removed.

        No upload may take longer: it limits the time from the making of an import's id to its
        object, and from the object to the import's record. ``keep_messages`` is for how many
        seconds finished messages stay in the queue's table.
        """
        self._repository = repository
        self._storage = storage
        self._metrics = metrics
        self.retention = retention
        self._after = after
        self._keep_messages = keep_messages

    def run_if_due(self) -> None:
        """Do the sweeps that are due, if no other worker is doing them."""
        if self._repository.begin_sweep(SweepKind.MESSAGES, MESSAGES_EVERY) is not None:
            with self._measured(SweepKind.MESSAGES):
                self.queue_lost_imports()
                self.delete_old_messages()
        since = self._repository.begin_sweep(SweepKind.OBJECTS, OBJECTS_EVERY)
        if since is not None:
            with self._measured(SweepKind.OBJECTS):
                self.remove_orphans(since)
                self.end_abandoned_uploads()
        if self._repository.begin_sweep(SweepKind.RETENTION, RETENTION_EVERY) is not None:
            with self._measured(SweepKind.RETENTION):
                self.retention.run(_RETENTION_SECONDS)

    def queue_lost_imports(self) -> int:
        """Queue the open imports that have no message; returns how many.

        Imports that are being undone are queued too, but not counted: whether their message was
        lost is not known here. The same goes for erasures.
        """
        self._repository.queue_undos()
        self._repository.queue_erasures()
        count = 0
        for imports in self._repository.lost_imports():
            self._repository.queue_imports(imports)
            count += len(imports)
            self._metrics.imports_queued_again(len(imports))
            for import_id in imports:
                log.warning("import had no message: queued again", job_id=job_id(import_id))
        return count

    def delete_old_messages(self) -> int:
        """Delete finished messages that are old enough; returns how many."""
        count = 0
        while deleted := self._repository.delete_old_messages(self._keep_messages, _MESSAGES):
            self._metrics.expired("messages", deleted)
            count += deleted
        return count

    def end_abandoned_uploads(self) -> int:
        """End the resumable uploads whose service is gone; returns how many there were.

        One that has become an object is only forgotten: the object belongs to an import, or
        ``remove_orphans`` removes it.
        """
        count = 0
        for path in self._repository.abandoned_uploads(UPLOAD_ABANDONED_AFTER):
            try:
                count += self._storage.cancel_upload(path)
            except PermanentError as error:
                log.warning("unfinished upload stays", upload=path, reason=error.detail)
            else:
                self._repository.forget_upload(path)
        if count:
            self._metrics.uploads_ended(count)
            log.info("unfinished uploads ended", uploads=count)
        return count

    def remove_orphans(self, since: float = 0) -> int:
        """Remove old objects that belong to no import; returns how many.

        Objects whose import id was made before ``since`` are left to earlier sweeps, so that a
        sweep costs the same however many objects are stored.
        """
        now, count = time.time(), 0
        listing = self._storage.listing()
        for page in listing.pages():  # the newest ids first
            objects = list(_objects_of_imports(page))
            count += self._remove_old_orphans(listing, objects, now - self._after)
            if objects and max(_created_at(import_id) for import_id, _ in objects) < since:
                break
        # An object whose id is older than this was complete, and old enough, in this sweep.
        self._repository.end_sweep(SweepKind.OBJECTS, now - 2 * self._after)
        return count

    @contextmanager
    def _measured(self, kind: SweepKind) -> Iterator[None]:
        """Count the block as a sweep, which has failed if it raises."""
        begun, failed = time.monotonic(), True
        try:
            yield
            failed = False
        finally:
            self._metrics.sweep_ended(kind, time.monotonic() - begun, failed=failed)

    def _remove_old_orphans(
        self,
        listing: ObjectListing,
        objects: list[tuple[UUID, StoredObject]],
        created_before: float,
    ) -> int:
        old = [
            (import_id, stored)
            for import_id, stored in objects
            if max(_created_at(import_id), stored.created_at) < created_before
        ]
        if not old:
            return 0
        known = self._repository.known_imports([import_id for import_id, _ in old])
        orphans = [stored for import_id, stored in old if import_id not in known]
        names = [stored.name for stored in orphans if not stored.is_folder]
        folders = [stored.name for stored in orphans if stored.is_folder]
        if names:
            listing.remove(names)
        count = len(names) + sum(map(listing.remove_folder, folders))
        if orphans:
            self._metrics.objects_removed(count)
            log.info("objects without an import removed", objects=[*names, *folders])
        return count


def _objects_of_imports(objects: Iterable[StoredObject]) -> Iterator[tuple[UUID, StoredObject]]:
    """Only what the service or a worker can have named; other objects are left alone."""
    for stored in objects:
        if stored.is_folder:
            import_id = import_of_folder(stored.name)
        else:
            job, _, extension = stored.name.rpartition(".")
            import_id = parse_job_id(job) if extension in set(Format) else None
        if import_id is not None:
            yield import_id, stored


def _created_at(import_id: UUID) -> float:
    """The time in a UUIDv7, in seconds since 1970."""
    return (import_id.int >> 80) / 1000
