"""CSV files as spreadsheets write them: read as for a request, split, read by the workers."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.reading.plan import SAMPLE_BYTES, Field, FieldPlaces
from core.reading.sniffing import Kind
from service.intake.detected import detected
from service.intake.limits import Limits
from tests.support import splits
from tests.support.part_runs import run_parts
from tests.support.splits import Outcome, RejectedBody, chunkings, pieces_of, run_as_read

SEMICOLON = "Name;E-Mail;Notiz\nAda, Countess;ada@example.com;x\nZoë;zoe@example.com;\n"
LIMITS = Limits(2**30, 1000, 50)
LARGE = Limits(2**30, 2**20, 2**20)


def read(raw: bytes, **options) -> Outcome | RejectedBody:
    """The result for a file; asserts that it does not depend on how it arrives."""
    outcomes = [run_as_read(pieces, Kind.CSV, LIMITS, **options) for pieces in chunkings(raw)]
    assert all(outcome == outcomes[0] for outcome in outcomes), outcomes
    return outcomes[0]


def outcome_of(raw: bytes, **options) -> Outcome:
    outcome = read(raw, **options)
    assert isinstance(outcome, Outcome), outcome
    return outcome


def contacts(outcome: Outcome) -> dict[int, tuple[str, str] | str]:
    """What the workers make of it."""
    return run_parts(outcome.stored, outcome.split, outcome.split.parts, piece=17).outcomes


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_delimiters_and_encodings_of_spreadsheets(delimiter, encoding):
    text = SEMICOLON.replace(",", " the").replace(";", delimiter)
    outcome = outcome_of(text.encode(encoding))
    assert outcome.stored.removeprefix(b"\xef\xbb\xbf") == text.encode()
    assert contacts(outcome) == {
        1: ("Ada the Countess", "ada@example.com"), 2: ("Zoë", "zoe@example.com"),
    }  # fmt: skip
    names = {"utf-8-sig": "utf-8", "utf-16": "utf-16le", "utf-16-be": "utf-16be"}
    assert detected(outcome.split, "gzip") == {
        "encoding": names.get(encoding, encoding),
        "compression": "gzip",
        "delimiter": delimiter,
        "header": ["Name", "E-Mail", "Notiz"],
        "skippedRows": 0,
        "mapping": {"name": "Name", "email": "E-Mail"},
        "alternatives": {},
        "certainty": {"name": "sure", "email": "sure"},
    }
    assert outcome.split.ignored == ["Notiz"]


def test_a_named_encoding_is_believed():
    both = b"name,email\nZo\xeb,\nZo\xc3\xab,\n"
    outcome = outcome_of(both, encoding="windows-1252")
    assert outcome.stored == "name,email\nZoë,\nZoÃ«,\n".encode()
    assert detected(outcome.split, None)["encoding"] == "windows-1252"
    assert outcome.split.plan.warnings == ()


def test_only_the_sample_decides_about_the_delimiter():
    raw = b"name,a;email\n" + b"1;2\n" * 30_000
    outcome = run_as_read([raw], Kind.CSV, LARGE)
    assert isinstance(outcome, Outcome)
    assert outcome == run_as_read(pieces_of(raw, 1000), Kind.CSV, LARGE)
    assert outcome.split.plan.csv.delimiter == ";"


def test_a_header_longer_than_the_sample_is_rejected_or_read():
    header = ";".join(["email", *[f"column {n}" for n in range(8000)]])
    raw = f"{header}\n".encode()
    assert len(raw) > SAMPLE_BYTES
    outcome = run_as_read([raw], Kind.CSV, LARGE)
    assert outcome == run_as_read(pieces_of(raw, 1000), Kind.CSV, LARGE)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("line", ["sep=|", "SEP=|", '"sep=|"'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_sep_line_names_the_delimiter(line, end, encoding):
    text = end.join([line, "name|email,x", "a|b@c.de", ""])
    outcome = outcome_of(text.encode(encoding))
    assert outcome.stored.removeprefix(b"\xef\xbb\xbf") == text.encode()
    assert outcome.split.plan.csv.delimiter == "|"
    assert outcome.split.records == 1


def test_the_options_of_the_client_override_detection():
    raw = b"sep=;\nname,x|Courriel\na,b|c@d.ef\n"
    mapping = (("name,x", Field.NAME), ("courriel", Field.EMAIL))
    outcome = outcome_of(raw, delimiter="|", mapping=mapping)
    assert outcome.split.plan.places == FieldPlaces(name=(0,), email=(1,))
    found = detected(outcome.split, None)
    assert found["mapping"] == {"name": "name,x", "email": "Courriel"}
    assert found["certainty"] == {"name": "named", "email": "named"}
    assert outcome.split.ignored == []
    assert contacts(outcome) == {1: ("a,b", "c@d.ef")}


def test_a_file_without_a_header_is_read_by_numbers():
    raw = b"Ada,x,ada@example.com\nBob,y,bob@example.com\n"
    mapping = (("1", Field.NAME), ("3", Field.EMAIL))
    outcome = outcome_of(raw, has_header=False, mapping=mapping)
    assert outcome.split.parts[0].byte_start == 0
    assert detected(outcome.split, None)["mapping"] == {"name": "1", "email": "3"}
    assert contacts(outcome) == {1: ("Ada", "ada@example.com"), 2: ("Bob", "bob@example.com")}


def test_rows_above_the_header_are_counted_and_no_records():
    raw = b"Members\n\nas of,2026\nName,E-Mail,Phone\nAda,ada@example.com,1\n"
    outcome = outcome_of(raw)
    assert detected(outcome.split, None)["skippedRows"] == 2
    assert contacts(outcome) == {1: ("Ada", "ada@example.com")}
    assert outcome.split.parts[0].byte_start == raw.index(b"Ada")


def test_several_columns_of_a_field_are_alternatives():
    raw = b"Name,E-Mail 1,E-Mail 2\nAda,,ada@example.com\nBob,bob@example.com,b@example.com\n"
    found = detected(outcome_of(raw).split, None)
    assert found["mapping"]["email"] == "E-Mail 1"
    assert found["alternatives"] == {"email": ["E-Mail 2"]}


def test_first_and_last_names_are_joined():
    raw = "Vorname;Nachname;E-Mail\nAda ; Lovelace;a@b.co\n;Byron;\nEve;;\n;;e@f.gh\n"
    assert contacts(outcome_of(raw.encode())) == {
        1: ("Ada Lovelace", "a@b.co"), 2: ("Byron", ""), 3: ("Eve", ""), 4: ("", "e@f.gh"),
    }  # fmt: skip


fields = st.text('ab",;\n\r \téß', max_size=6)


@given(
    data=st.data(),
    rows=st.lists(st.lists(fields, min_size=3, max_size=3), max_size=9),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-16", "cp1252"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_table_has_one_result_in_any_pieces(data, rows, delimiter, encoding, line_end):
    out = StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerows([["Name", "x;y,z", "E-Mail"], *rows])
    raw = out.getvalue().encode(encoding)
    options = {"encoding": "windows-1252" if encoding == "cp1252" else None}
    limits = Limits(2**30, 2**20, 40)
    outcome = run_as_read(data.draw(splits.cuts(raw)), Kind.CSV, limits, **options)
    assert outcome == run_as_read([raw], Kind.CSV, limits, **options)
    assert isinstance(outcome, Outcome), outcome
    assert outcome.stored == out.getvalue().encode()
    assert outcome.split.plan.places == FieldPlaces(name=(0,), email=(2,))
    assert outcome.split.plan.csv.delimiter == delimiter
    splits.parts_hold(outcome.split, 40)
    parts = [outcome.stored[part.byte_start : part.byte_end] for part in outcome.split.parts]
    found = [
        row
        for part in parts
        for row in csv.reader(StringIO(part.decode(), newline=""), delimiter=delimiter)
        if row
    ]
    assert found == rows
    run_parts(
        outcome.stored, outcome.split, outcome.split.parts, piece=data.draw(st.integers(1, 40))
    )
