import json

import pytest

from core.rejection_objects import RejectionReader
from tasks.errors import PartFailedError
from tasks.importing.part_pipeline import MAX_CONTENT, PartPipeline
from tasks.writing.rejections import MAX_ROWS, PartRejections
from tests.support.plans import NAME_AND_EMAIL
from tests.unit.tasks.fakes import (
    FakeRepository,
    FakeStorage,
    FakeWriter,
    work_on,
)


def array(records):
    return json.dumps(records)[1:-1].encode()


def pipeline_for(work, writer, storage=None):
    return PartPipeline(work, writer, PartRejections(work, writer, storage or FakeStorage()))


def process(data, records, *, batch=10, bad=(), chunk=64, writer=None, storage=None, **more):
    writer = writer or FakeWriter(batch, bad=bad)
    pipeline = pipeline_for(work_on(data, records=records, **more), writer, storage)
    pipeline.process(FakeStorage(data, chunk=chunk).read("o", 0, len(data), size=len(data)))
    pipeline.write_last()
    return pipeline.counts, writer


def people(count):
    return [{"name": f"P{n}", "email": f"p{n}@x.org"} for n in range(1, count + 1)]


@pytest.mark.parametrize("chunk", [1, 7, 64, 100_000])
@pytest.mark.parametrize("batch", [1, 3, 10, 5000])
def test_every_record_is_written_under_its_number(chunk, batch):
    counts, writer = process(array(people(50)), 50, batch=batch, chunk=chunk, first_record=101)
    assert writer.stored == {100 + n: (f"P{n}", f"p{n}@x.org") for n in range(1, 51)}
    assert (counts.imported, counts.rejected) == (50, {})


def test_batches_are_as_full_as_runs_allow_and_no_fuller():
    _, writer = process(array(people(500)), 500, batch=100, chunk=600)
    assert max(writer.batches) <= 100
    assert min(writer.batches[:-1]) > 60


def test_rejections_show_the_records_as_they_came():
    data = b'{"name":"Ada"}, [1],  {"name": "Eve", "email":"x"},{"name":"Bob"}'
    counts, writer = process(data, 4, first_record=7)
    assert counts.imported == 2
    assert counts.rejected == {"not_an_object": 1, "email_invalid": 1}
    assert [(one.record, one.code, one.content) for one in writer.rejections] == [
        (8, "not_an_object", "[1]"),
        (9, "email_invalid", '{"name": "Eve", "email":"x"}'),
    ]


def test_records_that_the_database_rejects_are_among_the_others_in_order():
    data = array([{"name": "a"}, 1, {"name": "c"}, 2, {"name": "e"}])
    counts, writer = process(data, 5, bad={1, 5})
    assert counts.imported == 1
    assert counts.rejected == {"not_an_object": 2, "refused_by_database": 2}
    assert [(one.record, one.content) for one in writer.rejections] == [
        (1, '{"name": "a"}'), (2, "1"), (4, "2"), (5, '{"name": "e"}'),
    ]  # fmt: skip


def test_all_rejections_are_kept_and_the_first_thousand_in_the_table():
    values = [n if n % 2 else {"name": "x"} for n in range(1, 3001)]
    storage = FakeStorage()
    counts, writer = process(array(values), 3000, batch=100, bad={2, 4, 2000}, storage=storage)
    assert counts.rejected == {"not_an_object": 1500, "refused_by_database": 3}
    assert counts.imported == 1497
    rejected = sorted({*range(1, 3001, 2), 2, 4, 2000})
    assert [one.record for one in writer.rejections] == rejected[:MAX_ROWS]
    (stored,) = writer.objects
    reader = RejectionReader()
    others = [one for batch in reader.feed(storage.stored[stored.object]) for one in batch]
    reader.close()
    assert [one.record for one in others] == rejected[MAX_ROWS:]
    assert {one.content for one in others if one.record != 2000} <= set(map(str, rejected))
    assert stored.codes == {"not_an_object": 502, "refused_by_database": 1}
    assert (stored.first_record, stored.last_record) == (others[0].record, others[-1].record)


def test_a_record_that_an_earlier_attempt_has_imported_is_not_rejected():
    writer = FakeWriter(bad={2})
    writer.known = {2, 3, 9}
    data = array([{"name": "a"}, {"name": "b"}, 1, 2])
    counts, _ = process(data, 4, writer=writer, rerun=True)
    assert [one.record for one in writer.rejections] == [4]
    assert (counts.imported, counts.rejected) == (3, {"not_an_object": 1})


def test_the_content_of_a_rejection_is_limited_and_storable():
    long = {"x": "ü" * 9000}
    data = json.dumps(long, ensure_ascii=False).encode()
    _, writer = process(data, 1)
    (rejection,) = writer.rejections
    assert rejection.content == data[:MAX_CONTENT].decode(errors="ignore")
    _, writer = process(b"a\0b\n", 1, plan=NAME_AND_EMAIL)
    assert [one.content for one in writer.rejections] == ['["a\\u0000b"]']


def test_an_object_that_changed_fails_the_part():
    with pytest.raises(PartFailedError) as failed:
        process(b'{"name":"Ada"} nonsense', 2)
    assert failed.value.code == "malformed_json"


def test_contacts_are_written_before_the_rejections_of_the_same_records():
    order = []
    writer = FakeWriter()
    writer.write = lambda batch: order.append("contacts") or []
    writer.reject = lambda rejections: order.append("rejections")
    data = array([{"name": "a"}, 1])
    pipeline = pipeline_for(work_on(data, records=2), writer)
    pipeline.process(iter([data]))
    pipeline.write_last()
    assert order == ["contacts", "rejections"]


def test_nothing_is_written_if_there_are_no_contacts():
    counts, writer = process(b"  ", 0)
    assert (counts.imported, counts.rejected) == (0, {})
    assert writer.batches == []
    counts, writer = process(b"1, 2", 2)
    assert (counts.imported, counts.rejected) == (0, {"not_an_object": 2})
    assert writer.batches == []


@pytest.mark.parametrize(("records", "in_one_step"), [([{"name": "a"}] * 5, True), ([1], False)])
def test_write_last_finishes_the_part_unless_there_are_rejections(records, in_one_step):
    data = array(records)
    work = work_on(data, records=len(records))
    repository = FakeRepository(work)
    writer = FakeWriter(repository=repository)
    pipeline = pipeline_for(work, writer)
    pipeline.process(iter([data]))
    assert (writer.stored, repository.calls) == ({}, [])
    assert (pipeline.write_last() is not None) == in_one_step
    assert repository.calls == ([("finish_part", 5, 0)] if in_one_step else [])
    assert pipeline.counts.imported + pipeline.counts.rejected.total() == len(records)


def test_a_part_with_fewer_records_than_accepted_fails():
    with pytest.raises(PartFailedError) as failed:
        process(array(people(3)), 4)
    assert failed.value.code == "count_mismatch"
    assert "3 records; 4 were accepted" in failed.value.detail


def test_ignored_fields_are_searched_in_all_of_a_part():
    people = [{"name": "A", "first": 1}, *[{"name": f"{n}", f"x{n}": 1} for n in range(1000)]]
    counts, _ = process(array(people), len(people), chunk=4000)
    assert {"first", "x0"} <= set(counts.ignored.to_json())
    assert len(counts.ignored.to_json()) < len(people) / 5


def test_the_names_of_ignored_fields_are_limited():
    people = [{f"{'n' * 200}{n}": 1, f"{n}{'n' * 200}": 1} for n in range(200)]
    counts, _ = process(array(people), len(people), chunk=1000)
    names = counts.ignored.to_json()
    assert len(names) <= 101
    assert max(map(len, names)) == 100
