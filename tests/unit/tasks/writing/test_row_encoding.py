import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.importing.models import Batch
from tasks.writing.row_encoding import encode_batch, encode_copy_rows
from tests.unit.tasks.fakes import IMPORT, PREFIX, work_on

storable = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
odd = st.sampled_from(["", "\x1f", "\\", "\\N", "\t", "a\nb", "\r", "\\.", "|"])
batches = st.lists(st.tuples(odd | storable, odd | storable), min_size=1, max_size=9).map(
    lambda records: Batch(4094, [name for name, _ in records], [email for _, email in records])
)


def contacts_of(batch):
    """What should stand in the table, NULL being the empty text."""
    found = zip(batch.numbers, batch.names, batch.emails, strict=True)
    return [(f"{PREFIX}{at:09x}", name, email) for at, name, email in found if name or email]


def read_fields(text):
    """As the SQL function reads them."""
    first, _, rest = text.decode().partition("\n")
    head = json.loads(first)
    fields = rest.split(head["delimiter"])
    half = len(fields) // 2
    pairs = enumerate(zip(fields[:half], fields[half:], strict=True), head["first_record"])
    contacts = [
        (f"{head['prefix']}{at:09x}", name, email) for at, (name, email) in pairs if name or email
    ]
    return contacts, head["source"]


UNESCAPED = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}


def unescaped(cell):
    plain, at = "", 0
    while at < len(cell):
        step = 2 if cell[at] == "\\" else 1
        plain += UNESCAPED.get(cell[at : at + step], cell[at : at + step])
        at += step
    return plain


def read_rows(data):
    """As Postgres reads COPY's text format."""
    lines = data.decode().split("\n")
    assert lines.pop() == ""
    return [tuple(unescaped(cell) for cell in line.split("\t")) for line in lines]


@given(batches, storable)
def test_encode_batch_can_be_read_as_the_sql_function_reads_it(batch, source):
    work = replace(work_on(b"", records=1), source=source)
    assert read_fields(encode_batch(batch, work)) == (contacts_of(batch), source)


def test_encode_batch_names_the_part():
    work = work_on(b"", records=1, part=3)
    head = json.loads(encode_batch(Batch(1, ["Ada"], [""]), work).partition(b"\n")[0])
    assert (head["import"], head["part"]) == (str(IMPORT), 3)


@given(batches.filter(lambda batch: batch.has_contacts), storable.filter(bool))
def test_encode_copy_rows_can_be_read_as_postgres_reads_it(batch, source):
    rows = read_rows(encode_copy_rows(batch, PREFIX, source))
    assert rows == [(*contact, source) for contact in contacts_of(batch)]


@pytest.mark.parametrize("first", [1, 4095, 4096, 4097, 0x0_FFFF_FFFF, 16**9 - 9000])
def test_copy_ids_are_the_prefix_and_the_record_number(first):
    batch = Batch(first, ["x"] * 8999, [""] * 8999)
    ids = [row[0] for row in read_rows(encode_copy_rows(batch, PREFIX, "s"))]
    assert ids == [f"{PREFIX}{number:09x}" for number in batch.numbers]
