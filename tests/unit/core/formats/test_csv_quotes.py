"""Quotes that RFC 4180 does not allow: what is meant by them, and what cannot be told."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.formats.csv_dialect import CsvDialect
from core.formats.csv_quotes import IrregularRow, read_irregular, replace_escapes
from tests.support.resource_usage import seconds

COMMAS = CsvDialect()
ESCAPES = CsvDialect(backslash_escapes=True)
HOSTILE = ['"', '""', '" ', '",', ',"', ' "', 'a"', '\\"', ' "a" b,']


def read(line, dialect=COMMAS):
    """The fields of a line, and whether they are certain; None if its quotes are regular."""
    row = next(csv.reader([line], **dialect.options()))
    found = read_irregular(row, line + "\n", dialect)
    return (list(found), found.is_certain) if isinstance(found, IrregularRow) else None


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('"Nora "Nell" Quill",a@b.co', ['Nora "Nell" Quill', "a@b.co"]),
        ('x,"a" b,c', ["x", '"a" b', "c"]),
        ('"a"b"c",d', ['a"b"c', "d"]),
        ('"a ""b"" "c" d",e', ['a "b" "c" d', "e"]),
        ('"a" ,"b"c",d', ["a", 'b"c', "d"]),
    ],
)
def test_a_quote_that_no_delimiter_follows_is_text(line, fields):
    assert read(line) == (fields, True)


@pytest.mark.parametrize("line", ["a,b", '"a","b"', 'a"b,c', '"a ""b""",c', ""])
def test_regular_rows_are_left_alone(line):
    assert read(line) is None


def test_fields_over_several_lines_are_uncertain():
    raw = '"a" b,"c\nd"\n'
    row = next(csv.reader(io.StringIO(raw)))
    found = read_irregular(row, raw, COMMAS)
    assert isinstance(found, IrregularRow)
    assert not found.is_certain
    assert found == row


def test_escaped_quotes_are_doubled_and_the_length_stays():
    assert replace_escapes(r'"a \"b\" c"', ESCAPES) == '"a ""b"" c"'
    assert replace_escapes(r'"a\\",b', ESCAPES) == r'"a\\",b'
    assert replace_escapes(r'"a\"', COMMAS) == r'"a\"'


@given(st.text(alphabet="ab\\\"', ", max_size=30), st.sampled_from(['"', "'"]))
def test_replacing_escapes_keeps_each_place(text, quote):
    dialect = CsvDialect(quote=quote, backslash_escapes=True)
    replaced = replace_escapes(text, dialect)
    assert len(replaced) == len(text)
    places = zip(text, replaced, strict=True)
    assert all(one == two or (one, two) == ("\\", quote) for one, two in places)


@given(st.text(alphabet='ab", ', min_size=1, max_size=30))
def test_no_letter_of_a_row_is_lost(line):
    found = read(line)
    if found is not None:
        kept = "".join(found[0])
        assert [char for char in kept if char in "ab"] == [char for char in line if char in "ab"]


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("first", ["", '"', '"a" b,'])
def test_hostile_quotes_take_linear_time(unit, first):
    line = first + unit * (100_000 // len(unit))
    assert seconds(lambda: read(line)) < 5
