from collections import Counter
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from core.monitoring import NAMESPACE
from core.states import ImportState
from tasks.importing.models import PartCounts, PartEnd
from tasks.maintenance.sweep import SweepKind
from tasks.metrics import Metrics
from tasks.webhooks.notify import WebhookOutcome
from tests.unit.tasks.fakes import work_on


@pytest.fixture
def grown():
    """How much a sample has grown since the test began."""
    before = {(s.name, str(s.labels)): s.value for m in REGISTRY.collect() for s in m.samples}

    def since(name, **labels):
        name = f"{NAMESPACE}_{name}"
        value = REGISTRY.get_sample_value(name, labels) or 0
        return value - before.get((name, str(labels)), 0)

    return since


WORK = work_on(b"", records=7)
END = PartEnd(True, ImportState.COMPLETED, import_closed=False, import_seconds=None)
CLOSED = PartEnd(True, ImportState.FAILED, import_closed=True, import_seconds=12.0)
AGAIN = PartEnd(False, ImportState.COMPLETED, import_closed=False, import_seconds=12.0)


def test_a_done_part_counts_its_records(grown):
    counts = PartCounts(5, Counter(email_invalid=2), Counter(footer=3))
    Metrics().part_done(WORK, counts, END)
    assert grown("contacts_imported_total") == 5
    assert grown("rows_skipped_total", code="footer") == 3
    assert grown("records_rejected_total", code="email_invalid") == 2
    assert grown("parts_total", outcome="done") == 1
    assert grown("import_duration_seconds_count", state="completed") == 0


def test_a_part_of_a_dry_run_counts_no_contacts(grown):
    work = replace(WORK, dry_run=True)
    Metrics().part_done(work, PartCounts(5, Counter(email_invalid=2), Counter(footer=3)), END)
    assert grown("rows_skipped_total", code="footer") == 0
    assert grown("contacts_imported_total") == 0
    assert grown("records_rejected_total", code="email_invalid") == 0
    assert grown("parts_total", outcome="done") == 1


def test_a_part_that_was_done_before_counts_nothing(grown):
    Metrics().part_done(WORK, PartCounts(5, Counter(email_invalid=2)), AGAIN)
    assert grown("contacts_imported_total") == 0
    assert grown("records_rejected_total", code="email_invalid") == 0
    assert grown("parts_total", outcome="done") == 0


def test_the_end_of_an_import_is_observed_with_its_duration(grown):
    Metrics().part_failed(CLOSED)
    assert grown("parts_total", outcome="failed") == 1
    assert grown("import_duration_seconds_sum", state="failed") == 12


@pytest.mark.parametrize("state", [ImportState.CANCELLED, ImportState.UNDOING])
def test_an_import_that_is_cancelled_or_undone_is_observed_as_cancelled(grown, state):
    Metrics().part_cancelled(PartEnd(True, state, True, 12.0))
    assert grown("parts_total", outcome="cancelled") == 1
    assert grown("import_duration_seconds_sum", state="cancelled") == 12


def test_undone_imports_are_counted(grown):
    Metrics().import_undone()
    assert grown("imports_undone_total") == 1


def test_what_a_sweep_found_is_seen(grown):
    Metrics().imports_queued_again(2)
    Metrics().objects_removed(3)
    Metrics().uploads_ended(4)
    assert grown("imports_queued_again_total") == 2
    assert grown("objects_removed_total") == 3
    assert grown("uploads_ended_total") == 4


@pytest.mark.parametrize(("failed", "outcome"), [(False, "done"), (True, "failed")])
def test_sweeps_are_counted_and_timed(grown, failed, outcome):
    Metrics().sweep_ended(SweepKind.OBJECTS, 3.0, failed=failed)
    assert grown("sweeps_total", kind="objects", outcome=outcome) == 1
    assert grown("sweep_duration_seconds_sum", kind="objects") == 3


def test_retries_and_webhooks_are_counted(grown):
    Metrics().upstream_retried("storage")
    Metrics().webhook_ended(WebhookOutcome.GIVEN_UP)
    assert grown("upstream_retries_total", upstream="storage") == 1
    assert grown("webhooks_total", outcome="given_up") == 1


@pytest.mark.parametrize(("again", "outcome"), [(False, "done"), (True, "retried")])
def test_messages_are_counted_and_timed(grown, again, outcome):
    Metrics().message_processed("imports", "import_part", 0.5, queued_again=again)
    labels = {"queue": "imports", "actor": "import_part"}
    assert grown("messages_total", **labels, outcome=outcome) == 1
    assert grown("message_duration_seconds_sum", **labels) == 0.5


def test_work_and_postponed_parts_are_counted(grown):
    metrics = Metrics()
    metrics.part_worked_on(0.5)
    metrics.records_read(7)
    metrics.part_postponed()
    assert grown("part_duration_seconds_sum") == 0.5
    assert grown("records_read_total") == 7
    assert grown("parts_total", outcome="postponed") == 1
