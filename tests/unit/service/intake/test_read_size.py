"""How large the parts of an object become where Storage is slow."""

from hypothesis import given
from hypothesis import strategies as st

from core.models import Part
from service.intake.read_size import parts_to_read
from service.splitting.part_cutter import merged

MIB = 1024 * 1024


def parts_of(sizes: list[int]) -> list[Part]:
    parts = []
    at, record = 10, 1
    for number, size in enumerate(sizes, 1):
        parts.append(Part(number, at, at + size, record, number))
        at, record = at + size + number % 2, record + number
    return parts


@given(sizes=st.lists(st.integers(1, 50), max_size=40), least=st.integers(0, 200))
def test_merged_parts_hold_the_same_records_in_the_same_order(sizes, least):
    parts = parts_of(sizes)
    large = merged(parts, least)
    assert [each.part for each in large] == list(range(1, len(large) + 1))
    assert sum(each.records for each in large) == sum(each.records for each in parts)
    starts = {each.byte_start: each.first_record for each in parts}
    ends = {each.byte_end: each.first_record + each.records for each in parts}
    assert all(starts[each.byte_start] == each.first_record for each in large)
    assert all(ends[each.byte_end] == each.first_record + each.records for each in large)
    assert [each.byte_start for each in large] == sorted({each.byte_start for each in large})
    assert all(each.byte_end - each.byte_start >= least for each in large[:-1])
    if parts:
        assert (large[0].byte_start, large[-1].byte_end) == (
            parts[0].byte_start, parts[-1].byte_end
        )  # fmt: skip


def test_parts_stay_as_they_are_where_storage_answers_at_once():
    parts = parts_of([6 * MIB] * 100)
    assert parts_to_read(parts, 0.0) == parts
    assert parts_to_read(parts, 0.2) == parts
    assert parts_to_read([], 5.0) == []


def test_the_number_of_reads_is_bounded_whatever_the_size_of_the_object():
    for gigabytes, seconds_per_gb in ((0.2, 2), (1, 2), (2, 2), (6, 2), (2, 4)):
        parts = parts_of([6 * MIB] * round(gigabytes * 1e9 / 6 / MIB))
        large = parts_to_read(parts, gigabytes * seconds_per_gb)
        assert 8 <= len(large) <= 26
        waiting = len(large) * gigabytes * seconds_per_gb
        assert waiting <= 1.1 * gigabytes * 1e9 / 20e6


def test_no_part_is_so_large_that_it_takes_too_long():
    large = parts_to_read(parts_of([6 * MIB] * 8000), 300.0)
    assert max(each.byte_end - each.byte_start for each in large) < 300 * MIB


def test_an_object_is_still_shared_by_several_threads():
    assert 5 <= len(parts_to_read(parts_of([6 * MIB] * 32), 60.0)) <= 8


def test_the_parts_of_a_small_object_stay_as_they_are():
    parts = parts_of([6 * MIB] * 20)
    assert parts_to_read(parts, 60.0) == parts
