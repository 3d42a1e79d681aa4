"""CsvSplitter with delimiters, encodings and sep lines as spreadsheets write them."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service.splitting.delimiter import SAMPLE_BYTES
from service.splitting.dialect import Dialect

from core.models import Layout
from service.splitting.csv import CsvSplitter
from tests.support import splits
from tests.support.part_runs import run_parts
from tests.support.splits import (
    BIG,
    Outcome,
    RejectedBody,
    pieces_of,
    places,
    run,
    same_for_all,
    taken,
)

SEMICOLON = "Name;E-Mail;Notiz\nAda, Countess;ada@example.com;x\nZoë;zoe@example.com;\n"


def splitter(dialect: Dialect = Dialect()) -> CsvSplitter:  # noqa: B008 -- it is frozen
    return CsvSplitter(50, 1000, dialect)


def outcome_of(raw: bytes, **dialect) -> Outcome:
    outcome = same_for_all(lambda: splitter(Dialect(**dialect)), raw)
    assert isinstance(outcome, Outcome), outcome
    return outcome


def contacts(outcome: Outcome) -> dict[int, tuple[str, str] | str]:
    """What the workers make of it."""
    return run_parts(outcome.stored, outcome.split, outcome.split.parts, piece=17).outcomes


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
def test_delimiters_and_encodings_of_spreadsheets(delimiter, encoding):
    text = SEMICOLON.replace(",", " the").replace(";", delimiter)
    outcome = outcome_of(text.encode(encoding))
    stored = text.encode("utf-8-sig" if encoding == "utf-8-sig" else "utf-8")
    assert outcome.stored == stored
    assert places(outcome.split.layout) == Layout(3, 0, 1, delimiter=delimiter)
    assert contacts(outcome) == {
        1: ("Ada the Countess", "ada@example.com"), 2: ("Zoë", "zoe@example.com"),
    }  # fmt: skip
    names = {"utf-8-sig": "utf-8", "utf-16": "utf-16le", "utf-16-be": "utf-16be"}
    assert outcome.split.detected == {
        "encoding": names.get(encoding, encoding.replace("cp", "windows-")),
        "delimiter": delimiter,
        "header": ["Name", "E-Mail", "Notiz"],
        "mapping": {"name": "Name", "email": "E-Mail"},
    }
    assert outcome.split.ignored == ["Notiz"]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("name\n", ","),
        ("name;x,y\n", ";"),
        ("name,x;y;z;w\n", ","),
        ('"name;x",email\n', ","),
        ('"name,x,y";email\n', ";"),
        ("name;email, private\n", ";"),
        ("\n\r\n\nname;email", ";"),
        ("name;\"a\nb,c\";email\n", ";"),
        ("name,a;email\n1,2;3\n", ","),
        ("name,a;email\n1;2\n3,4;5\n6;7\n", ";"),
        ("name,a;email\n1,2\n3;4\n1,2\n", ","),
        ("name^email\n", None),
    ],
)  # fmt: skip
def test_the_delimiter_is_detected(text, delimiter):
    outcome = same_for_all(splitter, text.encode())
    if delimiter is None:
        assert outcome == RejectedBody("csv_header_unusable", None, None)
        return
    assert isinstance(outcome, Outcome)
    assert outcome.split.layout is not None
    assert outcome.split.layout.delimiter == delimiter


def test_only_the_first_rows_decide_about_the_delimiter():
    raw = b"name,a;email\n" + b"1;2\n" * 30_000
    outcome = taken(CsvSplitter(BIG, BIG), [raw])
    assert outcome == taken(CsvSplitter(BIG, BIG), pieces_of(raw, 1000))
    assert places(outcome.split.layout) == Layout(2, None, 1, delimiter=";")


def test_a_header_longer_than_the_sample():
    header = ";".join(["email", *[f"column {n}" for n in range(8000)]])
    raw = f"{header}\n".encode()
    assert len(raw) > SAMPLE_BYTES
    outcome = taken(CsvSplitter(BIG, BIG), [raw])
    assert outcome == taken(CsvSplitter(BIG, BIG), pieces_of(raw, 1000))
    assert places(outcome.split.layout) == Layout(8001, None, 0, delimiter=";")
    assert len(outcome.split.ignored) == len(outcome.split.detected["header"]) == 101


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("line", ["sep=|", "SEP=|", '"sep=|"'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_sep_line_names_the_delimiter(line, end, encoding):
    text = end.join([line, "name|email,x", "a|b@c.de", ""])
    outcome = outcome_of(text.encode(encoding))
    assert outcome.stored.removeprefix(b"\xef\xbb\xbf") == text.encode()
    assert places(outcome.split.layout) == Layout(2, 0, None, delimiter="|")
    assert contacts(outcome) == {1: ("a", "")}


@pytest.mark.parametrize("first", ["sep=a", 'sep="', "sep=", "sep=;;", "sep=é"])
def test_an_invalid_sep_line_is_the_header(first):
    outcome = same_for_all(splitter, f"{first}\nname,email\n".encode())
    assert outcome == RejectedBody("csv_header_unusable", None, None)


def test_the_dialect_of_the_client_overrides_detection():
    raw = b"sep=;\nname,x|Courriel\na,b|c@d.ef\n"
    outcome = outcome_of(raw, delimiter="|", mapping=(("name,x", "name"), ("courriel", "email")))
    assert places(outcome.split.layout) == Layout(2, 0, 1, delimiter="|")
    assert outcome.split.detected["mapping"] == {"name": "name,x", "email": "Courriel"}
    assert outcome.split.ignored == []
    assert contacts(outcome) == {1: ("a,b", "c@d.ef")}


def test_a_mapping_helps_to_detect_the_delimiter():
    raw = b"Nom, complet;Courriel\na;b@c.de\n"
    outcome = outcome_of(raw, mapping=(("Nom, complet", "name"), ("Courriel", "email")))
    assert places(outcome.split.layout) == Layout(2, 0, 1, delimiter=";")


def test_first_and_last_names_are_joined():
    raw = "Vorname;Nachname;E-Mail\nAda ; Lovelace;a@b.co\n;Byron;\nEve;;\n;;e@f.gh\n;;\nx;\n"
    mapping = (("Vorname", "first_name"), ("Nachname", "last_name"))
    assert contacts(outcome_of(raw.encode(), mapping=mapping)) == {
        1: ("Ada Lovelace", "a@b.co"), 2: ("Byron", ""), 3: ("Eve", ""), 4: ("", "e@f.gh"),
        5: "no_name_and_no_email", 6: "wrong_field_count",
    }  # fmt: skip


def test_invalid_text_is_an_error_after_all_complete_records():
    raw = b"name;email\nZo\xeb;a@b.co\nx;\x81\n"
    outcome = same_for_all(splitter, raw)
    assert outcome == RejectedBody("invalid_text", len("name;email\nZoë;a@b.co\nx;".encode()), 2)
    both = b"name\nZo\xeb\nZo\xc3\xab\n"
    assert same_for_all(splitter, both) == RejectedBody("invalid_text", 12, 2)
    assert outcome_of(both, charset="windows-1252").stored == "name\nZoë\nZoÃ«\n".encode()


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
    charset = "windows-1252" if encoding == "cp1252" else None
    dialect = Dialect(charset=charset)
    outcome = taken(CsvSplitter(40, BIG, dialect), data.draw(splits.cuts(raw)))
    assert outcome == run(CsvSplitter(40, BIG, dialect), [raw])
    assert outcome.stored == out.getvalue().encode()
    assert places(outcome.split.layout) == Layout(3, 0, 2, delimiter=delimiter)
    splits.parts_hold(outcome.split, 40)
    parts = [outcome.stored[part.byte_start : part.byte_end] for part in outcome.split.parts]
    read = [
        row
        for part in parts
        for row in csv.reader(StringIO(part.decode(), newline=""), delimiter=delimiter)
        if row
    ]
    assert read == rows
    run_parts(
        outcome.stored, outcome.split, outcome.split.parts, piece=data.draw(st.integers(1, 40))
    )
