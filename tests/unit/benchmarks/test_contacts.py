import csv
import json
import uuid

import pytest

from benchmarks.contacts import BAD_EVERY, BLOCK, SOURCE, Kind, Profile, bad_records, body
from core.reading import sniffing
from core.records.models import Candidates
from core.records.rejection_reasons import Reason
from core.records.validation import validate
from service.intake.body import Sample
from service.intake.limits import Limits
from service.intake.options import ImportOptions
from service.intake.reading import decide_reading
from service.intake.request import ImportRequest

MIB = 1024 * 1024


def made(kind, profile=Profile.PLAIN, rows=100, seed=1):
    return "".join(body(kind, profile, rows, seed))


def rows_of(kind, profile=Profile.PLAIN, rows=100):
    return list(csv.reader(made(kind, profile, rows).splitlines()))


def is_good(record):
    return not isinstance(
        validate(Candidates((record.get("name"),), (), (), (record.get("email"),))), Reason
    )


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("profile", Profile)
def test_the_same_seed_gives_the_same_file(kind, profile):
    assert made(kind, profile, seed=7) == made(kind, profile, seed=7)
    nothing = profile is Profile.REJECTED and kind in {Kind.COPY, Kind.COPY_IDS}
    assert (made(kind, profile, seed=7) == made(kind, profile, seed=8)) is nothing


@pytest.mark.parametrize("rows", [1, BLOCK + 1])
def test_profile_rejected_has_no_valid_contact(rows):
    records = json.loads(made(Kind.JSON, Profile.REJECTED, rows))["data"]
    assert len(records) == bad_records(Profile.REJECTED, rows, 1) == rows
    assert not any(map(is_good, records))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("profile", Profile)
def test_a_smaller_file_is_the_start_of_a_larger_one(kind, profile):
    small = made(kind, profile, 50).removesuffix("\n]}\n")
    assert made(kind, profile, 60).startswith(small)


@pytest.mark.parametrize("rows", [1, 2, 19, 20, 21, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK])
def test_every_kind_of_file_has_the_number_of_contacts(rows):
    records = json.loads(made(Kind.JSON, rows=rows))["data"]
    assert records == [json.loads(line) for line in made(Kind.NDJSON, rows=rows).splitlines()]
    pairs = [[record["name"], record["email"]] for record in records]
    assert rows_of(Kind.CSV, rows=rows) == [["name", "email"], *pairs]
    assert len({record["email"] for record in records}) == len(pairs) == rows


def test_files_for_psql_have_the_source_and_ascending_ids():
    head, *contacts = rows_of(Kind.COPY)
    assert head == ["name", "email", "source"]
    assert {source for _, _, source in contacts} == {SOURCE}
    with_ids = rows_of(Kind.COPY_IDS)
    assert with_ids[0] == ["id", *head]
    assert [row[1:] for row in with_ids[1:]] == contacts
    ids = [uuid.UUID(row[0]) for row in with_ids[1:]]
    assert ids == sorted(set(ids))
    assert {each.version for each in ids} == {8}


def test_plain_contacts_are_valid_and_of_the_usual_size():
    records = json.loads(made(Kind.JSON, rows=2000))["data"]
    assert all(map(is_good, records))
    assert bad_records(Profile.PLAIN, 2000, 1) == 0
    assert 60 < len(made(Kind.JSON, rows=2000).encode()) / 2000 < 80


@pytest.mark.parametrize("rows", [1, 30, 1000, BLOCK + 10])
def test_bad_records_is_the_number_of_invalid_wide_contacts(rows):
    records = json.loads(made(Kind.JSON, Profile.WIDE, rows))["data"]
    bad = bad_records(Profile.WIDE, rows, 1)
    assert len(records) == rows
    assert sum(not is_good(record) for record in records) == bad
    assert abs(bad - rows / BAD_EVERY) <= 1


def test_wide_contacts_are_the_same_in_csv_and_valid_for_psql():
    records = json.loads(made(Kind.JSON, Profile.WIDE, 500))["data"]
    head, *rows = rows_of(Kind.CSV, Profile.WIDE, 500)
    assert head == ["name", "email", "tags", "address"]
    pairs = [[record.get("name", ""), record.get("email", "")] for record in records]
    assert [row[:2] for row in rows] == pairs
    assert {len(row) for row in rows} == {4}
    good = [[record["name"], record["email"], SOURCE] for record in records if is_good(record)]
    assert rows_of(Kind.COPY, Profile.WIDE, 500)[1:] == good


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize(
    ("kind", "read_as"),
    [(Kind.JSON, sniffing.Kind.JSON_ENVELOPE), (Kind.CSV, sniffing.Kind.CSV)],
)
def test_the_splitters_accept_the_files(kind, profile, read_as):
    body = made(kind, profile, 300).encode()
    request = ImportRequest(read_as, ImportOptions(SOURCE))
    splitter = decide_reading(request, Sample.of(body)).splitter(Limits(MIB, MIB, MIB))
    stored = b"".join(splitter.feed(body)) + b"".join(splitter.close())
    assert splitter.split().records == 300
    assert splitter.split().bytes == len(stored)
