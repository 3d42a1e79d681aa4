import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import (
    MAX_RECORDS,
    contact_id_prefix,
    contacts_ahead,
    job_id,
    new_import_id,
    parse_job_id,
)


def contact_id(import_id, record, ahead=0):
    return uuid.UUID(f"{contact_id_prefix(import_id, ahead)}{record:09x}")


@pytest.fixture(scope="module")
def import_id():
    return new_import_id()


def test_an_import_id_is_a_uuid7_of_now(import_id):
    assert import_id.version == 7
    assert import_id.variant == uuid.RFC_4122
    assert abs((import_id.int >> 80) / 1000 - time.time()) < 60


def test_import_ids_are_unique_and_grow_with_time():
    ids = [new_import_id() for _ in range(2000)]
    assert len(set(ids)) == len({contact_id_prefix(one) for one in ids}) == 2000
    assert [one.int >> 80 for one in ids] == sorted(one.int >> 80 for one in ids)


@pytest.mark.parametrize("record", [1, 2, 255, 16**8, MAX_RECORDS])
def test_a_contact_id_is_a_uuid8_with_the_prefix_of_its_import(import_id, record):
    found = contact_id(import_id, record)
    assert found.version == 8
    assert found.variant == uuid.RFC_4122
    assert str(found)[:14] == str(import_id)[:14]
    assert str(found)[15:27] == str(import_id)[15:27]
    assert int(str(found)[27:], 16) == record


records = st.integers(1, MAX_RECORDS)


@given(records, records)
def test_contact_ids_have_the_order_of_their_records(one, other):
    import_id = uuid.UUID("01a2072c-a553-70c3-afd6-2ab12031aef1")
    first, second = contact_id(import_id, one), contact_id(import_id, other)
    assert (first < second) == (one < other)
    assert (first == second) == (one == other)


def test_contact_ids_of_imports_a_millisecond_apart_do_not_overlap():
    earlier = uuid.UUID("01a2072c-a553-7fff-bfff-ffffffffffff")
    later = uuid.UUID("01a2072c-a554-7000-8000-000000000000")
    assert contact_id(earlier, MAX_RECORDS) < contact_id(later, 1)


@given(records, st.integers(0, 2**31))
def test_contact_ids_that_are_dated_ahead_differ_in_their_time_alone(record, ahead):
    import_id = uuid.UUID("01a2072c-a553-70c3-afd6-2ab12031aef1")
    dated, plain = contact_id(import_id, record, ahead), contact_id(import_id, record)
    assert dated.version == 8
    assert dated.int - plain.int == ahead * 1000 << 80


def test_an_import_dates_its_contacts_ahead_by_about_what_it_takes():
    assert [contacts_ahead(n) for n in (1, 9_999, 10_000, 6_000_000)] == [0, 0, 1, 600]
    large, small = new_import_id(), new_import_id()
    last_of_small = contact_id(small, 3, contacts_ahead(3))
    assert last_of_small < contact_id(large, 1, contacts_ahead(6_000_000))


def test_parse_job_id_reads_what_job_id_wrote(import_id):
    assert job_id(import_id) == f"import-{import_id}"
    assert parse_job_id(job_id(import_id)) == import_id


@pytest.mark.parametrize(
    "text",
    [
        "", "import-", "nonsense", "import-nonsense", "import-01a2072c",
        "01a2072c-a553-70c3-afd6-2ab12031aef1",  # prefix missing
        "import-01A2072C-A553-70C3-AFD6-2AB12031AEF1",  # not as we write it
        "import-01a2072ca55370c3afd62ab12031aef1",
        "import-{01a2072c-a553-70c3-afd6-2ab12031aef1}",
        "import-01a2072c-a553-40c3-afd6-2ab12031aef1",  # a UUIDv4
        " import-01a2072c-a553-70c3-afd6-2ab12031aef1",
        "import-import-01a2072c-a553-70c3-afd6-2ab12031aef1",
    ],
)  # fmt: skip
def test_parse_job_id_returns_none_for_other_texts(text):
    assert parse_job_id(text) is None
