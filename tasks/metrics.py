"""The workers' metrics, served by ``tasks.queue.metrics_server`` as sums over all processes.

Import this only after ``tasks.queue.message_metrics`` has set the folder that the processes share
(in ``after_process_boot``): prometheus_client reads it when it is imported.
"""

from functools import partial
from typing import Final

from prometheus_client import Counter, Histogram

from core.monitoring import NAMESPACE
from core.reading.warnings import SKIPPED_ROWS
from core.states import ImportState
from core.supabase.errors import DATABASE, STORAGE
from tasks.importing.models import PartCounts, PartEnd, PartWork
from tasks.maintenance.sweep import SweepKind
from tasks.webhooks.notify import WebhookOutcome

_counter: Final = partial(Counter, namespace=NAMESPACE)
_histogram: Final = partial(Histogram, namespace=NAMESPACE)

# Imports and their parts
_IMPORTED: Final = _counter("contacts_imported", "Contacts of done parts, except dry runs.")
_REJECTED: Final = _counter(
    "records_rejected", "Rejections of done parts, except dry runs.", ["code"]
)
_SKIPPED: Final = _counter(
    "rows_skipped",
    "Rows of done parts that are no records of contacts, except dry runs.",
    ["code"],
)
_READ: Final = _counter("records_read", "Records read; those of a repeated part count each time.")
_PARTS: Final = _counter("parts", "Attempts at parts by outcome.", ["outcome"])
_PART_SECONDS: Final = _histogram(
    "part_duration_seconds",
    "Seconds of work on a part, whatever its outcome.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
_IMPORT_SECONDS: Final = _histogram(
    "import_duration_seconds",
    "Seconds from the acceptance of an import to its end.",
    ["state"],
    buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400),
)
_UNDONE: Final = _counter("imports_undone", "Imports that were undone.")
_UNDO_FAILED: Final = _counter("undos_failed", "Undos that failed for good.")

# Supabase and webhooks
_RETRIES: Final = _counter(
    "upstream_retries", "Calls of Storage or the database that were repeated.", ["upstream"]
)
_WEBHOOKS: Final = _counter("webhooks", "Requests to webhooks by outcome.", ["outcome"])

# Messages
_MESSAGES: Final = _counter(
    "messages", "Messages processed; a retried one is queued again.", ["queue", "actor", "outcome"]
)
_MESSAGE_SECONDS: Final = _histogram(
    "message_duration_seconds",
    "Seconds that the actor of a message took.",
    ["queue", "actor"],
    buckets=(0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)

# Sweeps
_SWEEPS: Final = _counter("sweeps", "Sweeps by kind and outcome.", ["kind", "outcome"])
_SWEEP_SECONDS: Final = _histogram(
    "sweep_duration_seconds",
    "Seconds of a sweep, whatever its outcome.",
    ["kind"],
    buckets=(0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3600),
)
_QUEUED_AGAIN: Final = _counter(
    "imports_queued_again", "Imports without a message that a sweep has queued."
)
_REMOVED: Final = _counter("objects_removed", "Objects without an import that a sweep has removed.")
_UPLOADS_ENDED: Final = _counter(
    "uploads_ended", "Unfinished uploads without a service that a sweep has ended."
)
_EXPIRED: Final = _counter(
    "expired",
    "What was removed because its time was over: objects, imports whose rejections were removed, "
    "imports, finished messages.",
    ["data"],
)
_ERASURES: Final = _counter("erasures", "Erasures of an e-mail address that ended.", ["outcome"])

# Labels exist from the start, so that a rate can be computed from the first increase.
for _outcome in ("done", "failed", "cancelled", "postponed"):
    _PARTS.labels(_outcome)
for _data in ("objects", "rejections", "imports", "messages"):
    _EXPIRED.labels(_data)
for _outcome in ("done", "failed"):
    _ERASURES.labels(_outcome)
for _code in sorted(SKIPPED_ROWS):
    _SKIPPED.labels(_code)
for _state in (ImportState.COMPLETED, ImportState.FAILED, ImportState.CANCELLED):
    _IMPORT_SECONDS.labels(_state.value)
for _upstream in (STORAGE, DATABASE):
    _RETRIES.labels(_upstream)
for _webhook in WebhookOutcome:
    _WEBHOOKS.labels(_webhook.value)
for _kind in SweepKind:
    for _outcome in ("done", "failed"):
        _SWEEPS.labels(_kind.value, _outcome)


class Metrics:
    """Counts events; shared by all threads of a process."""

    def records_read(self, count: int) -> None:
        """Count records, whatever becomes of their part."""
        _READ.inc(count)

    def part_worked_on(self, seconds: float) -> None:
        """Record the duration of an attempt at a part."""
        _PART_SECONDS.observe(seconds)

    def part_done(self, work: PartWork, counts: PartCounts, end: PartEnd) -> None:
        """Count a part, and its records unless they were counted before."""
        if end.newly_recorded and not work.dry_run:
            _IMPORTED.inc(counts.imported)
            for code, count in counts.rejected.items():
                _REJECTED.labels(code).inc(count)
            for code, count in counts.skipped.items():
                _SKIPPED.labels(code).inc(count)
        self._part_ended("done", end)

    def part_failed(self, end: PartEnd) -> None:
        """Count a part that has failed for good."""
        self._part_ended("failed", end)

    def part_cancelled(self, end: PartEnd) -> None:
        """Count a part whose import is being cancelled."""
        self._part_ended("cancelled", end)

    def part_postponed(self) -> None:
        """Count a part that was handed back to the queue."""
        _PARTS.labels("postponed").inc()

    def import_undone(self) -> None:
        """Count an import of which nothing is left."""
        _UNDONE.inc()

    def undo_failed(self) -> None:
        """Count an undo that cannot continue."""
        _UNDO_FAILED.inc()

    def upstream_retried(self, upstream: str) -> None:
        """Count a call that is repeated, since the upstream was unavailable."""
        _RETRIES.labels(upstream).inc()

    def message_processed(
        self, queue: str, actor: str, seconds: float, *, queued_again: bool
    ) -> None:
        """Count a message, and record how long its actor took."""
        _MESSAGES.labels(queue, actor, "retried" if queued_again else "done").inc()
        _MESSAGE_SECONDS.labels(queue, actor).observe(seconds)

    def webhook_ended(self, outcome: WebhookOutcome) -> None:
        """Count a notification that was sent, or why it was not."""
        _WEBHOOKS.labels(outcome.value).inc()

    def sweep_ended(self, kind: SweepKind, seconds: float, *, failed: bool) -> None:
        """Count a sweep, and record its duration."""
        _SWEEPS.labels(kind.value, "failed" if failed else "done").inc()
        _SWEEP_SECONDS.labels(kind.value).observe(seconds)

    def imports_queued_again(self, count: int) -> None:
        """Count imports that had lost their message."""
        _QUEUED_AGAIN.inc(count)

    def objects_removed(self, count: int) -> None:
        """Count objects that belonged to no import."""
        _REMOVED.inc(count)

    def uploads_ended(self, count: int) -> None:
        """Count unfinished uploads whose service was gone."""
        _UPLOADS_ENDED.inc(count)

    def expired(self, data: str, count: int) -> None:
        """Count what was removed because its time was over."""
        _EXPIRED.labels(data).inc(count)

    def erasure_ended(self, outcome: str) -> None:
        """Count an erasure that is done or has failed."""
        _ERASURES.labels(outcome).inc()

    def _part_ended(self, outcome: str, end: PartEnd) -> None:
        if end.newly_recorded:
            _PARTS.labels(outcome).inc()
        if end.import_closed and end.import_seconds is not None:
            # An import that is being undone was cancelled for that.
            is_undoing = end.import_state is ImportState.UNDOING
            state = ImportState.CANCELLED if is_undoing else end.import_state
            _IMPORT_SECONDS.labels(state.value).observe(end.import_seconds)
