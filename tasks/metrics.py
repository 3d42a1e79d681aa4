"""What the workers count, for dramatiq's own endpoint, where all processes are summed.

Import this only once dramatiq's Prometheus middleware has chosen the folder of the worker
processes (after_process_boot): prometheus_client looks for it when it is imported.
"""

from typing import Final

from prometheus_client import Counter, Histogram

from core.states import ImportState
from tasks.importing.models import PartCounts, PartWork
from tasks.repository import PartEnd

_IMPORTED: Final = Counter(
    "contacts_imported", "Contacts of parts that are done, but for dry runs."
)
_REJECTED: Final = Counter(
    "contacts_rejected", "Rejections of parts that are done, but for dry runs.", ["code"]
)
_READ: Final = Counter(
    "contacts_records_read", "Records read, those of repeated parts each time they were read."
)
_PARTS: Final = Counter("contacts_import_parts", "How work on parts came to an end.", ["outcome"])
_PART_SECONDS: Final = Histogram(
    "contacts_import_part_seconds",
    "Seconds of work on a part, whatever its outcome.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
_IMPORT_SECONDS: Final = Histogram(
    "contacts_import_seconds",
    "Seconds from the acceptance of an import to its close.",
    ["state"],
    buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400),
)

_QUEUED_AGAIN: Final = Counter(
    "contacts_imports_queued_again", "Imports without a message, found and queued by a sweep."
)
_REMOVED: Final = Counter(
    "contacts_objects_removed", "Objects without an import, found and removed by a sweep."
)

_UNDONE: Final = Counter("contacts_imports_undone", "Imports of which all was removed again.")
_UNDO_FAILED: Final = Counter("contacts_undos_failed", "Undos that were refused, and so ended.")

for _outcome in ("done", "failed", "cancelled", "postponed"):
    _PARTS.labels(_outcome)
for _state in (ImportState.COMPLETED, ImportState.FAILED, ImportState.CANCELLED):
    _IMPORT_SECONDS.labels(_state.value)


class PrometheusMetrics:
    """Counts for all threads of the process."""

    def records_read(self, count: int) -> None:
        """Records went by, whatever becomes of their part."""
        _READ.inc(count)

    def part_worked_on(self, seconds: float) -> None:
        """Work on a part has stopped."""
        _PART_SECONDS.observe(seconds)

    def part_done(self, work: PartWork, counts: PartCounts, end: PartEnd) -> None:
        """All records of a part have come to an end; counted once per part."""
        if end.moved and not work.dry_run:
            _IMPORTED.inc(counts.imported)
            for code, count in counts.rejected.items():
                _REJECTED.labels(code).inc(count)
        self._ended("done", end)

    def part_failed(self, end: PartEnd) -> None:
        """A part was given up."""
        self._ended("failed", end)

    def part_cancelled(self, end: PartEnd) -> None:
        """A part was stopped, since its import is being cancelled."""
        self._ended("cancelled", end)

    def part_postponed(self) -> None:
        """A part was handed back, to be tried later."""
        _PARTS.labels("postponed").inc()

    def import_undone(self) -> None:
        """All of an import is gone."""
        _UNDONE.inc()

    def undo_failed(self) -> None:
        """An undo was refused."""
        _UNDO_FAILED.inc()

    def imports_queued_again(self, count: int) -> None:
        """A sweep has found lost imports."""
        _QUEUED_AGAIN.inc(count)

    def objects_removed(self, count: int) -> None:
        """A sweep has removed objects that belong to no import."""
        _REMOVED.inc(count)

    def _ended(self, outcome: str, end: PartEnd) -> None:
        if end.moved:
            _PARTS.labels(outcome).inc()
        if end.closed and end.seconds is not None:
            # What is being undone was cancelled for it.
            state = ImportState.CANCELLED if end.state is ImportState.UNDOING else end.state
            _IMPORT_SECONDS.labels(state.value).observe(end.seconds)
