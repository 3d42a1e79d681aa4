"""DryRunWriter beside a writer that writes contacts."""

from collections import Counter

import pytest

from core.states import ImportState
from tasks.importing.models import PartCounts, PartEnd
from tasks.importing.part_pipeline import PartPipeline
from tasks.writing.dry_run import DryRunWriter
from tasks.writing.rejections import PartRejections
from tests.unit.tasks.fakes import FakeRepository, FakeStorage, FakeWriter, work_on

GOOD, BAD = '{"name":"Ada"}', '{"email":"nowhere"}'


class RejectionsRepository(FakeRepository):
    """Takes rejections, and no contacts."""

    def __init__(self, work):
        super().__init__(work)
        self.rows = []

    def write_rejections(self, attempt, rows):
        self.rows += rows


@pytest.mark.parametrize("records", [[GOOD] * 25, [GOOD, BAD, GOOD], [BAD] * 3, [BAD, *[GOOD] * 9]])
def test_a_dry_run_counts_everything_and_writes_only_rejections(records):
    data = ",".join(records).encode()
    work = work_on(data, records=len(records))
    repository = RejectionsRepository(work)
    dry_writer, writer = DryRunWriter(repository, work, batch_records=10), FakeWriter()
    dry = PartPipeline(work, dry_writer, PartRejections(work, dry_writer, FakeStorage()))
    real = PartPipeline(work, writer, PartRejections(work, writer, FakeStorage()))
    for pipeline in (dry, real):
        pipeline.process(iter([data]))
    end = dry.write_last() or dry_writer.finish(dry.counts)
    real.write_last()

    assert end == PartEnd(True, ImportState.COMPLETED, True, 1.5)
    assert dry.counts == real.counts
    assert dry.counts == PartCounts(records.count(GOOD), Counter(email_invalid=records.count(BAD)))
    assert [row["record"] for row in repository.rows] == [one.record for one in writer.rejections]
    assert repository.calls == [("finish_part", records.count(GOOD), records.count(BAD))]
