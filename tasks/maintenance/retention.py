"""Retention: removes objects, rejections and imports whose time is over.

The database first marks what has expired, so that nothing uses it from then on. Then it is
removed, from Storage first, and recorded as removed. A sweep that dies between these steps is
repeated by the next one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from core.rejection_objects import rejections_folder
from core.retention import Retention
from core.supabase.storage_blocking import StorageClient
from tasks.repository import Repository

if TYPE_CHECKING:
    from tasks.metrics import Metrics

log = structlog.stdlib.get_logger(__name__)

_OBJECTS: Final = 500
"""Objects that are removed together."""
_IMPORTS: Final = 100
"""Imports whose rejections are removed together: for most, Storage is asked for a list of them."""
_REJECTIONS: Final = 10_000
"""Rejections that are removed in one statement."""
_WHOLE_IMPORTS: Final = 100
"""Imports that are removed in one statement, with all of their parts."""


@dataclass(frozen=True, slots=True)
class Expired:
    """How many objects, rejections (by import) and imports were removed."""

    objects: int
    rejections: int
    imports: int


class RetentionSweep:
    """Removes what has expired; all methods raise UpstreamError, and what is done stays done."""

    def __init__(
        self,
        repository: Repository,
        storage: StorageClient,
        metrics: "Metrics",
        retention: Retention,
    ) -> None:
        self._repository = repository
        self._storage = storage
        self._metrics = metrics
        self._retention = retention

    def run(self, seconds: float | None = None) -> Expired:
        """Remove what has expired; after so many seconds, the rest is left to the next sweep."""
        end = None if seconds is None else time.monotonic() + seconds

        def has_time() -> bool:
            return end is None or time.monotonic() < end

        removed = Expired(
            self.remove_objects(has_time),
            self._remove_rejections(has_time),
            self._remove_imports(has_time),
        )
        if removed != Expired(0, 0, 0):
            log.info(
                "expired data removed",
                objects=removed.objects,
                rejections=removed.rejections,
                imports=removed.imports,
            )
        return removed

    def remove_objects(self, has_time: Callable[[], bool] = lambda: True) -> int:
        """Remove the objects that have expired; returns how many."""
        count = 0
        while has_time():
            expired = self._repository.expire_objects(self._retention.of_objects, _OBJECTS)
            if not expired:
                break
            self._storage.remove([each.object for each in expired])
            removed = self._repository.objects_removed([each.import_id for each in expired])
            self._metrics.expired("objects", removed)
            count += removed
        return count

    def _remove_rejections(self, has_time: Callable[[], bool]) -> int:
        """Remove the rejections that have expired; returns of how many imports."""
        count = 0
        while has_time():
            expired = self._repository.expire_rejections(self._retention.of_rejections, _IMPORTS)
            if not expired:
                break
            for each in expired:
                if each.stored:
                    self._storage.remove_folder(rejections_folder(each.import_id))
            imports = [each.import_id for each in expired]
            while self._repository.remove_rejections(imports, _REJECTIONS):
                pass
            removed = self._repository.rejections_removed(imports)
            self._metrics.expired("rejections", removed)
            count += removed
        return count

    def _remove_imports(self, has_time: Callable[[], bool]) -> int:
        """Remove the imports that have expired; returns how many."""
        keep = self._retention.imports
        count = 0
        while keep is not None and has_time():
            removed = self._repository.remove_imports(keep, _WHOLE_IMPORTS)
            if not removed:
                break
            self._metrics.expired("imports", removed)
            count += removed
        return count
