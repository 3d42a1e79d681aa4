"""CsvSplitter: the header is read, rows are counted, the object is the file."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service.splitting.header_mapping import MAX_COLUMNS, read_layout

from core.errors import MalformedInputError
from core.formats.csv import CsvScanner, read_rows
from core.models import Layout, Part
from service.splitting.base import Splitter
from service.splitting.csv import CsvSplitter
from tests.support import bodies, splits
from tests.support.reference import PLAIN
from tests.support.splits import BIG, Outcome, RejectedBody, run, same_for_all, taken


def small() -> CsvSplitter:
    return CsvSplitter(50, 1000)


def as_workers_read(raw: bytes, part: Part, size: int) -> list[list[str]]:
    runs = CsvScanner(read_rows, max_record_bytes=BIG, offset=part.byte_start)
    content = raw[part.byte_start : part.byte_end]
    found = [run for piece in splits.pieces_of(content, size) for run in runs.feed(piece)]
    found += runs.close()
    assert b"".join(run.raw for run in found) == content
    return [row for run in found for row in run.records]


@given(
    data=st.data(),
    text=bodies.csv_texts(),
    bom=st.sampled_from([b"", bodies.BOM]),
    part_bytes=st.integers(1, 60),
)
def test_csv_splitter_has_one_result_in_any_pieces(data, text, bom, part_bytes):
    raw = bom + text.encode()
    outcome = run(CsvSplitter(part_bytes, BIG), data.draw(splits.cuts(raw)))
    assert outcome == run(CsvSplitter(part_bytes, BIG), [raw])
    if bodies.quote_is_open(text):
        assert isinstance(outcome, RejectedBody)
        assert outcome.code == "malformed_csv"
        return
    assert isinstance(outcome, Outcome)
    header, *rows = bodies.csv_rows(text)
    assert outcome.stored == raw
    assert outcome.split.layout == read_layout(header)
    assert without_header(outcome.split.layout) == Layout(len(header), 0, 1)
    assert outcome.split.records == len(rows)
    splits.parts_hold(outcome.split, part_bytes)
    assert_parts_are_the_whole(raw, rows, outcome.split.parts, data.draw(st.integers(1, 40)))


def assert_parts_are_the_whole(
    raw: bytes, rows: list[list[str]], parts: list[Part], size: int
) -> None:
    plain = [bodies.csv_rows(raw[part.byte_start : part.byte_end].decode()) for part in parts]
    assert [row for found in plain for row in found] == rows
    assert [len(found) for found in plain] == [part.records for part in parts]
    assert [as_workers_read(raw, part, size) for part in parts] == plain


@given(
    data=st.data(),
    text=bodies.csv_texts(),
    max_record=st.sampled_from([16, 40, 100, BIG]),
)
def test_a_malformed_csv_file_has_one_error_in_any_pieces(data, text, max_record):
    raw = data.draw(bodies.mutations(text.encode()))
    whole = run(CsvSplitter(30, max_record), [raw])
    assert run(CsvSplitter(30, max_record), data.draw(splits.cuts(raw))) == whole
    assert run(CsvSplitter(30, max_record), splits.pieces_of(raw, 1)) == whole


@given(data=st.data(), text=bodies.csv_texts())
def test_a_named_utf8_charset_rejects_other_encodings(data, text):
    raw = data.draw(bodies.mutations(text.encode()))
    outcome = run(CsvSplitter(30, BIG, PLAIN), [raw])
    wrong = first_wrong_byte(raw)
    if wrong is None:
        assert not isinstance(outcome, RejectedBody) or outcome.code != "invalid_utf8"
    else:
        assert isinstance(outcome, RejectedBody)
        told = (outcome.code, outcome.offset)
        assert told == ("invalid_utf8", wrong) or outcome.code in {
            "csv_header_unusable",
            "wrong_encoding",
        }


def first_wrong_byte(raw: bytes) -> int | None:
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


HEADER = b"name,email\n"
REFUSED = {
    b"": RejectedBody("csv_header_unusable", None, None),
    b"\r\n\n": RejectedBody("csv_header_unusable", None, None),
    bodies.BOM: RejectedBody("csv_header_unusable", None, None),
    b"a;b\n1;2\n": RejectedBody("csv_header_unusable", None, None),
    b"first,second\n": RejectedBody("csv_header_unusable", None, None),
    HEADER + b'"a,b\nc,d\n': RejectedBody("malformed_csv", 11, 1),
    HEADER + b'a,b\nc,"d': RejectedBody("malformed_csv", 15, 2),
    HEADER + b"\xc3\xa9,b\xe9\n": RejectedBody("invalid_utf8", 15, 1),
    HEADER + b"a,\xed\xa0\x80\n": RejectedBody("invalid_utf8", 13, 1),
    HEADER + b"a,b\nc,\xc3": RejectedBody("invalid_utf8", 17, 2),
    HEADER + b"a,b\n" + b"x" * 1001 + b"\n": RejectedBody("record_too_large", 15, 2),
    HEADER + b'a,b\n"' + b"x\n" * 600: RejectedBody("record_too_large", 15, 2),
    b"name," + b"x" * 1000: RejectedBody("record_too_large", 0, None),
    "name,email\nä,ö\n".encode("utf-32"): RejectedBody("wrong_encoding", 0, None),
    b"\x1f\x8b\x08\x00\x00\x00": RejectedBody("wrong_encoding", 0, None),
}


@pytest.mark.parametrize(("raw", "refusal"), REFUSED.items(), ids=lambda item: repr(item)[:40])
def test_malformed_csv_files_are_rejected(raw, refusal):
    assert same_for_all(small, raw) == refusal


@pytest.mark.parametrize("size", [999, 1000, 1001])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_the_size_limit_of_a_row_and_its_neighbours(size, end):
    """A row is counted with the first byte of its line end."""
    row = b"x" * (size - 1) + end
    outcome = same_for_all(small, HEADER.replace(b"\n", end) + row + b"a,b" + end)
    assert isinstance(outcome, Outcome if size <= 1000 else RejectedBody)


@pytest.mark.parametrize(
    ("header", "layout"),
    [
        ("name,email", Layout(2, 0, 1)),
        ("E-Mail, Name ", Layout(2, 1, 0)),
        ("FULL NAME,E-MAIL ADDRESS", Layout(2, 0, 1)),
        ("id,full_name,e.mail,phone", Layout(4, 1, 2)),
        ("email", Layout(1, None, 0)),
        ("Contact,Company", Layout(2, 0, None)),
        ("name,name,mail,email", Layout(4, 0, 2)),
        ('"full\nname","x,y"', Layout(2, 0, None)),
        ("ID,\u2003Name\u2003", Layout(2, 1, None)),
    ],
)
def test_columns_are_found_by_their_names(header, layout):
    assert without_header(taken(small(), [f"{header}\n".encode()]).split.layout) == layout


def without_header(layout: Layout | None) -> Layout:
    assert layout is not None
    return replace(layout, header=())


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (["name", " E-Mail ", "", "a\0b"], ("name", " E-Mail ", "", "a\ufffdb")),
        (["name"] * 1000, ("name",) * 1000),
        (["name"] * 1001, ()),
        (["name", "x" * 16_380], ("name", "x" * 16_380)),
        (["name", "x" * 16_381], ()),
    ],
)
def test_column_names_are_stored_unless_there_are_too_many(header, kept):
    assert read_layout(header).header == kept


@pytest.mark.parametrize(
    ("header", "neutralised"),
    [
        (["record", "code", "message", "hint", "name", "content"], True),
        (["record", "code", "message", "name"], False),
        (["name", "record", "code", "message", "hint"], False),
    ],
)
def test_a_rejections_file_is_recognised_by_its_header(header, neutralised):
    assert read_layout(header).formulas_escaped is neutralised


@pytest.mark.parametrize("header", [[], [""], ["nme", "emil"], ["names"], ["x" * 500] * 50])
def test_a_header_without_name_and_email_is_rejected_with_a_short_detail(header):
    with pytest.raises(MalformedInputError) as caught:
        read_layout(header)
    assert caught.value.code == "csv_header_unusable"
    assert len(caught.value.detail) < 1000


@pytest.mark.parametrize("raw", [HEADER, HEADER[:-1], bodies.BOM + HEADER + b"\r\n\n"])
def test_a_header_alone_has_no_records_and_no_parts(raw):
    outcome = same_for_all(small, raw)
    assert isinstance(outcome, Outcome)
    assert outcome.stored == raw
    assert (outcome.split.records, outcome.split.parts) == (0, [])


@pytest.mark.parametrize(
    ("rows", "records"),
    [
        (b"a,b\nc,d", 2),
        (b'"a\r\n,""b""",c\r\n\r\n\r\nd,e\r\n', 2),
        (b"a\rb\rc", 3),
        (b'a"b,c\nd,"e"f\n', 2),
        (b"a,\x00\n\x0c,\x0b\n", 2),
        (b" \n,\n", 2),
        ("é\u2028a,b\u0085c\n".encode(), 1),
    ],
)
def test_rows_are_counted_as_python_csv_counts_them(rows, records):
    outcome = same_for_all(small, HEADER + rows)
    assert isinstance(outcome, Outcome)
    assert outcome.split.records == records


def test_blank_lines_at_the_end_belong_to_the_last_part():
    raw = HEADER + b"a,b\n\n\n"
    outcome = same_for_all(small, raw)
    assert isinstance(outcome, Outcome)
    assert outcome.split.parts == [Part(1, 11, len(raw), 1, 1)]


def test_csv_rows_are_yielded_as_soon_as_they_are_complete():
    splitter: Splitter = CsvSplitter(BIG, BIG)
    assert b"".join(splitter.feed(HEADER + b'a,b\nc,"')) == HEADER + b"a,b\n"


@pytest.mark.parametrize(("more", "passes"), [(0, True), (1, False)])
def test_the_number_of_columns_is_limited(more, passes):
    raw = b"name" + b"," * (MAX_COLUMNS - 1 + more) + b"\n"
    outcome = run(CsvSplitter(30, BIG), [raw])
    assert isinstance(outcome, Outcome) == passes
    assert passes or outcome == RejectedBody("csv_header_unusable", None, None)
