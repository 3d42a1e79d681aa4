"""Finds what a crash left behind: imports that nobody would finish, objects that nobody wants.

Two sweeps at once do no harm: a message that waits is not queued again, and an object is removed
only if it could no longer become an import's.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol
from uuid import UUID

import structlog

from core.ids import parse_job_id
from core.rejection_objects import import_of_folder
from core.states import Format
from core.supabase.storage_api import StoredObject

log = structlog.stdlib.get_logger(__name__)

MESSAGES_EVERY: Final = 60.0
"""Seconds between two looks for lost imports, of all workers together."""
OBJECTS_EVERY: Final = 3600.0
"""The same for objects."""


class Repository(Protocol):
    """What the story needs of SweepRepository."""

    def begin(self, kind: str, every: float) -> float | None:
        """See SweepRepository."""
        ...

    def end(self, kind: str, until: float) -> None:
        """See SweepRepository."""
        ...

    def lost(self) -> Iterator[list[UUID]]:
        """See SweepRepository."""
        ...

    def queue(self, imports: Sequence[UUID]) -> None:
        """See SweepRepository."""
        ...

    def queue_undos(self) -> None:
        """See SweepRepository."""
        ...

    def known(self, imports: Sequence[UUID]) -> set[UUID]:
        """See SweepRepository."""
        ...


class Objects(Protocol):
    """What the story needs of ObjectListing."""

    def pages(self) -> Iterator[list[StoredObject]]:
        """See ObjectListing."""
        ...

    def remove(self, names: Sequence[str]) -> None:
        """See ObjectListing."""
        ...

    def remove_folder(self, folder: str) -> int:
        """See ObjectListing."""
        ...


class Metrics(Protocol):
    """What the story has counted; see PrometheusMetrics."""

    def imports_queued_again(self, count: int) -> None:
        """See PrometheusMetrics."""
        ...

    def objects_removed(self, count: int) -> None:
        """See PrometheusMetrics."""
        ...


class Sweep:
    """All raise UpstreamError; what was done until then stays done."""

    def __init__(
        self, repository: Repository, bucket: Objects, metrics: Metrics, *, after: float
    ) -> None:
        """``after`` is the age in seconds from which an object without an import is removed.

        No upload may take longer: it bounds the time from an import's id to its object, and from
        the object to the import's record.
        """
        self._repository = repository
        self._bucket = bucket
        self._metrics = metrics
        self._after = after

    def take_turn(self) -> None:
        """Sweep what is due, if no other worker is doing it."""
        if self._repository.begin("messages", MESSAGES_EVERY) is not None:
            self.queue_lost()
        since = self._repository.begin("objects", OBJECTS_EVERY)
        if since is not None:
            self.remove_orphans(since)

    def queue_lost(self) -> int:
        """Queue again the imports of which there is no message; returns how many.

        Those that are being undone are not counted: their message is always the same.
        """
        self._repository.queue_undos()
        count = 0
        for imports in self._repository.lost():
            self._repository.queue(imports)
            count += len(imports)
            self._metrics.imports_queued_again(len(imports))
            for import_id in imports:
                log.warning("import had no message: queued again", import_id=str(import_id))
        return count

    def remove_orphans(self, since: float = 0) -> int:
        """Remove old objects that belong to no import; returns how many.

        What is named after a moment before ``since`` is left to the sweeps of before, so that
        one costs the same however many objects are kept.
        """
        now, count = time.time(), 0
        for page in self._bucket.pages():
            ours = list(_ours(page))
            count += self._remove(self._orphans(ours, now - self._after))
            if ours and max(_born(import_id) for import_id, _ in ours) < since:
                break
        # Whatever is named after a moment before then was whole so long ago that it was old today.
        self._repository.end("objects", now - 2 * self._after)
        return count

    def _orphans(
        self, objects: list[tuple[UUID, StoredObject]], before: float
    ) -> list[StoredObject]:
        old = [
            (import_id, stored)
            for import_id, stored in objects
            if max(_born(import_id), stored.created_at) < before
        ]
        known = self._repository.known([import_id for import_id, _ in old]) if old else set()
        return [stored for import_id, stored in old if import_id not in known]

    def _remove(self, orphans: list[StoredObject]) -> int:
        names = [stored.name for stored in orphans if not stored.is_folder]
        if names:
            self._bucket.remove(names)
        folders = [stored.name for stored in orphans if stored.is_folder]
        count = len(names) + sum(map(self._bucket.remove_folder, folders))
        if orphans:
            self._metrics.objects_removed(count)
            log.info("objects without an import removed", objects=[*names, *folders])
        return count


def _ours(objects: Iterable[StoredObject]) -> Iterator[tuple[UUID, StoredObject]]:
    """Only what the service or a worker can have named; other objects are left alone."""
    for stored in objects:
        import_id = (
            import_of_folder(stored.name) if stored.is_folder else _import_of_object(stored.name)
        )
        if import_id is not None:
            yield import_id, stored


def _import_of_object(name: str) -> UUID | None:
    job, _, ending = name.rpartition(".")
    return parse_job_id(job) if ending in set(Format) else None


def _born(import_id: UUID) -> float:
    """When a UUIDv7 was made, in seconds since 1970."""
    return (import_id.int >> 80) / 1000
