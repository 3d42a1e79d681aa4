"""A dry run's writer beside one that writes."""

from collections import Counter

import pytest

from core.states import ImportState
from tasks.importing.models import PartCounts
from tasks.importing.pipeline import PartPipeline
from tasks.repository import PartEnd
from tasks.writing.dry_run import DryRunWriter
from tasks.writing.rejections import Rejections
from tests.unit.tasks.fakes import FakeDesk, FakeObjects, FakeRepository, work_on

GOOD, BAD = '{"name":"Ada"}', '{"email":"nowhere"}'


class FakeTables:
    """The one table that is written to."""

    def __init__(self):
        self.rows = []

    def write_rejections(self, attempt, rows):
        self.rows += rows


@pytest.mark.parametrize("records", [[GOOD] * 25, [GOOD, BAD, GOOD], [BAD] * 3, [BAD, *[GOOD] * 9]])
def test_all_is_counted_and_only_rejections_are_written(records):
    data = ",".join(records).encode()
    work, repository, tables = work_on(data, records=len(records)), FakeRepository(), FakeTables()
    repository.work = work
    dry_desk, writer = DryRunWriter(tables, repository, work, batch_records=10), FakeDesk()
    dry = PartPipeline(work, dry_desk, Rejections(work, dry_desk, FakeObjects()))
    real = PartPipeline(work, writer, Rejections(work, writer, FakeObjects()))
    for pipeline in (dry, real):
        pipeline.carry(iter([data]))
    end = dry.finish() or dry_desk.finish(dry.counts)
    real.finish()

    assert end == PartEnd(True, ImportState.COMPLETED, True, 1.5)
    assert dry.counts == real.counts
    assert dry.counts == PartCounts(records.count(GOOD), Counter(email_invalid=records.count(BAD)))
    assert [row["record"] for row in tables.rows] == [one.record for one in writer.rejections]
    assert repository.calls == [("finish_part", records.count(GOOD), records.count(BAD))]
