"""CsvSplitter: rows are counted from the header on, the object is the file."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.formats.csv import CsvScanner, read_rows
from core.formats.csv_dialect import CsvDialect
from core.models import Part
from core.reading.plan import ReadingPlan
from service.splitting.base import Splitter
from service.splitting.csv import CsvSplitter
from tests.support import bodies, splits
from tests.support.splits import (
    BIG,
    ROWS,
    Outcome,
    RejectedBody,
    csv_splitter,
    run,
    same_for_all,
    taken,
)


def small() -> CsvSplitter:
    return csv_splitter(50, 1000)


def plan_of(skipped_rows: int, *, has_header: bool) -> ReadingPlan:
    return msgspec.structs.replace(ROWS, skipped_rows=skipped_rows, has_header=has_header)


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
    skipped=st.integers(0, 3),
    has_header=st.booleans(),
)
def test_csv_splitter_has_one_result_in_any_pieces(
    data, text, bom, part_bytes, skipped, has_header
):
    raw, plan = bom + text.encode(), plan_of(skipped, has_header=has_header)
    outcome = run(csv_splitter(part_bytes, BIG, plan), data.draw(splits.cuts(raw)))
    assert outcome == run(csv_splitter(part_bytes, BIG, plan), [raw])
    if bodies.quote_is_open(text):
        assert isinstance(outcome, RejectedBody)
        assert outcome.code == "malformed_csv"
        return
    rows, before = bodies.csv_rows(text), skipped + has_header
    if len(rows) < before:
        assert outcome == RejectedBody("csv_header_unusable", None, None)
        return
    assert isinstance(outcome, Outcome)
    assert outcome.stored == raw
    assert outcome.split.plan == plan
    assert outcome.split.records == len(rows[before:])
    splits.parts_hold(outcome.split, part_bytes)
    size = data.draw(st.integers(1, 40))
    assert_parts_are_the_whole(raw, rows[before:], outcome.split.parts, size)


def assert_parts_are_the_whole(
    raw: bytes, rows: list[list[str]], parts: list[Part], size: int
) -> None:
    plain = [bodies.csv_rows(raw[part.byte_start : part.byte_end].decode()) for part in parts]
    assert [row for found in plain for row in found] == rows
    assert [len(found) for found in plain] == [part.records for part in parts]
    # How irregular quotes are read is not the same, but where the rows are.
    read = [as_workers_read(raw, part, size) for part in parts]
    assert list(map(len, read)) == list(map(len, plain))


@given(
    data=st.data(),
    text=bodies.csv_texts(),
    max_record=st.sampled_from([16, 40, 100, BIG]),
)
def test_a_malformed_csv_file_has_one_error_in_any_pieces(data, text, max_record):
    raw = data.draw(bodies.mutations(text.encode()))
    whole = run(csv_splitter(30, max_record), [raw])
    assert run(csv_splitter(30, max_record), data.draw(splits.cuts(raw))) == whole
    assert run(csv_splitter(30, max_record), splits.pieces_of(raw, 1)) == whole


@given(data=st.data(), text=bodies.csv_texts())
def test_the_first_byte_that_is_not_utf8_is_found(data, text):
    raw = data.draw(bodies.mutations(text.encode()))
    outcome = run(csv_splitter(30, BIG), [raw])
    wrong = first_wrong_byte(raw)
    if wrong is None:
        assert not isinstance(outcome, RejectedBody) or outcome.code != "invalid_utf8"
    else:
        assert isinstance(outcome, RejectedBody)
        assert (outcome.code, outcome.offset) == ("invalid_utf8", wrong)


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
    HEADER + b'"a,b\nc,d\n': RejectedBody("malformed_csv", 11, 1),
    HEADER + b'a,b\nc,"d': RejectedBody("malformed_csv", 15, 2),
    HEADER + b"\xc3\xa9,b\xe9\n": RejectedBody("invalid_utf8", 15, 1),
    HEADER + b"a,\xed\xa0\x80\n": RejectedBody("invalid_utf8", 13, 1),
    HEADER + b"a,b\nc,\xc3": RejectedBody("invalid_utf8", 17, 2),
    HEADER + b"a,b\n" + b"x" * 1001 + b"\n": RejectedBody("record_too_large", 15, 2),
    HEADER + b'a,b\n"' + b"x\n" * 600: RejectedBody("record_too_large", 15, 2),
    b"name," + b"x" * 1000: RejectedBody("record_too_large", 0, None),
}


@pytest.mark.parametrize(("raw", "refusal"), REFUSED.items(), ids=lambda item: repr(item)[:40])
def test_malformed_csv_files_are_rejected(raw, refusal):
    assert same_for_all(small, raw) == refusal


def test_rows_above_the_header_have_no_record_numbers():
    raw = b'Report\n"from\n2026",\n' + HEADER + b'"open'
    outcome = same_for_all(lambda: csv_splitter(50, 1000, plan_of(2, has_header=True)), raw)
    assert outcome == RejectedBody("malformed_csv", raw.index(b'"open'), 1)
    above = b'Report\n"open\n' + HEADER
    outcome = same_for_all(lambda: csv_splitter(50, 1000, plan_of(2, has_header=True)), above)
    assert outcome == RejectedBody("malformed_csv", 7, None)


@pytest.mark.parametrize("size", [999, 1000, 1001])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_the_size_limit_of_a_row_and_its_neighbours(size, end):
    """A row is counted with the first byte of its line end."""
    row = b"x" * (size - 1) + end
    outcome = same_for_all(small, HEADER.replace(b"\n", end) + row + b"a,b" + end)
    assert isinstance(outcome, Outcome if size <= 1000 else RejectedBody)


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


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_quote_opens_a_field_after_the_delimiter_of_the_plan(delimiter):
    plan = msgspec.structs.replace(ROWS, csv=CsvDialect(delimiter=delimiter))
    raw = b'name,email\na,"b\nc;"d\n"\t"e\n"|"f\ng"\n'.replace(b";", delimiter.encode())
    outcome = same_for_all(lambda: csv_splitter(50, 1000, plan), raw)
    expected = len(bodies.csv_rows(raw.decode(), delimiter)) - 1
    assert isinstance(outcome, Outcome)
    assert outcome.split.records == expected


def test_blank_lines_at_the_end_belong_to_the_last_part():
    raw = HEADER + b"a,b\n\n\n"
    outcome = same_for_all(small, raw)
    assert isinstance(outcome, Outcome)
    assert outcome.split.parts == [Part(1, 11, len(raw), 1, 1)]


def test_csv_rows_are_yielded_as_soon_as_they_are_complete():
    splitter: Splitter = csv_splitter(BIG, BIG)
    assert b"".join(splitter.feed(HEADER + b'a,b\nc,"')) == HEADER + b"a,b\n"


def test_columns_that_hold_no_field_are_ignored():
    plan = msgspec.structs.replace(ROWS, columns=4, header=("name", "email", "phone", "a" * 200))
    outcome = taken(csv_splitter(50, 1000, plan), [HEADER])
    assert outcome.split.ignored == ["phone", "a" * 100]
