"""A dry run's desk beside one that writes."""

from collections import Counter

import pytest

from config.states import ImportState
from tasks.carrying import Carrier
from tasks.ledger import PartEnd
from tasks.model import Tally
from tasks.writing.dry import DryDesk
from tasks.writing.rejections import Rejections
from tests.unit.tasks.fakes import FakeDesk, FakeLedger, FakeObjects, work_on

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
    work, ledger, tables = work_on(data, records=len(records)), FakeLedger(), FakeTables()
    ledger.work = work
    dry_desk, desk = DryDesk(tables, ledger, work, batch_records=10), FakeDesk()
    dry = Carrier(work, dry_desk, Rejections(work, dry_desk, FakeObjects()))
    real = Carrier(work, desk, Rejections(work, desk, FakeObjects()))
    for carrier in (dry, real):
        carrier.carry(iter([data]))
    end = dry.finish() or dry_desk.finish(dry.tally)
    real.finish()

    assert end == PartEnd(True, ImportState.COMPLETED, True, 1.5)
    assert dry.tally == real.tally
    assert dry.tally == Tally(records.count(GOOD), Counter(email_invalid=records.count(BAD)))
    assert [row["record"] for row in tables.rows] == [one.record for one in desk.rejections]
    assert ledger.calls == [("finish_part", records.count(GOOD), records.count(BAD))]
