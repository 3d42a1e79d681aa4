import csv
import io
from itertools import pairwise, product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import MalformedInputError
from core.formats.csv import CsvScanner, count_rows, read_rows
from core.formats.csv_dialect import CsvDialect, is_delimiter
from core.formats.csv_quotes import IrregularRow
from tests.support.resource_usage import KIB, MIB, most_memory, seconds


class Scan:
    """What comes out when ``data`` goes in, in pieces that end at ``cuts``."""

    def __init__(self, data, cuts=(), *, decode=read_rows, **options):
        self.runs = CsvScanner(decode, **{"max_record_bytes": 1 << 20, **options})
        self.found = []
        bounds = [0, *sorted(cuts), len(data)]
        for start, end in pairwise(bounds):
            self.found += self.runs.feed(data[start:end])
        self.found += self.runs.close()

    @property
    def raw(self):
        return b"".join(run.raw for run in self.found)

    @property
    def rows(self):
        return [row for run in self.found for row in run.records]

    @property
    def spans(self):
        return [span for run in self.found for span in self.runs.spans(run)]


def as_python_reads(text):
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]


def quote_is_open(text):
    try:
        list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


texts = st.text(alphabet='ab",\n\r é', max_size=60)
cut_places = st.lists(st.integers(0, 200), max_size=8)


def within(cuts, data):
    return [cut for cut in cuts if cut <= len(data)]


@given(texts, cut_places)
@example("a\r\nb", [2])
@example('"a\r\n"\r\nb', [3, 6])
@example("a\rb", [2])
@example('a"b\nc"', [])
@example("\n\n", [])
@example('""""\n', [2])
@example("\r", [])
def test_csv_scanner_reads_what_pythons_csv_reads_in_any_pieces(text, cuts):
    data = text.encode()
    try:
        scan = Scan(data, within(cuts, data))
    except MalformedInputError:
        with pytest.raises(MalformedInputError):
            Scan(data)
        return
    expected = as_python_reads(text)
    assert len(scan.rows) == len(expected)
    for row, as_read in zip(scan.rows, expected, strict=True):
        assert isinstance(row, IrregularRow) or row == as_read
    assert scan.raw == data
    assert scan.runs.records == len(scan.rows) == len(scan.spans)


@given(texts, cut_places)
def test_count_rows_agrees_with_read_rows(text, cuts):
    data = text.encode()
    try:
        read = Scan(data)
    except MalformedInputError:
        with pytest.raises(MalformedInputError):
            Scan(data, within(cuts, data), decode=count_rows)
        return
    counted = Scan(data, within(cuts, data), decode=count_rows)
    assert counted.runs.records == read.runs.records
    assert counted.spans == read.spans
    assert counted.raw == data


fields = st.text(alphabet='ab",\n\r é🙂', max_size=8)
tables = st.lists(st.lists(fields, min_size=2, max_size=4), max_size=10)


@given(tables, st.sampled_from(["\n", "\r\n"]), st.booleans(), cut_places)
def test_csv_scanner_reads_what_csv_writer_wrote(table, line_end, last, cuts):
    out = io.StringIO(newline="")
    # Left to itself, Python 3.11 leaves a CR unquoted where lines end with LF.
    csv.writer(out, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(table)
    text = out.getvalue() if last else out.getvalue().removesuffix(line_end)
    data = text.encode()
    scan = Scan(data, within(cuts, data), offset=77)
    assert scan.rows == table
    ends = [77, *(end for _, end in scan.spans)]
    assert [start for start, _ in scan.spans] == ends[:-1]
    for row, (start, end) in zip(table, scan.spans, strict=True):
        assert as_python_reads(data[start - 77 : end - 77].decode()) == [row]


@given(tables.filter(bool), st.data())
def test_csv_parts_read_separately_equal_the_whole(table, data):
    out = io.StringIO(newline="")
    csv.writer(out).writerows(table)
    text = out.getvalue().encode()
    _, end = data.draw(st.sampled_from(Scan(text).spans))
    assert Scan(text[:end]).rows + Scan(text[end:]).rows == table


def test_blank_lines_are_not_records_but_stay_in_raw():
    data = b"\n\na,b\n\r\n\nc,d\n\n"
    scan = Scan(data)
    assert scan.rows == [["a", "b"], ["c", "d"]]
    assert scan.raw == data


@given(texts.filter(quote_is_open), cut_places)
def test_an_unclosed_quote_raises_malformed_csv(text, cuts):
    data = text.encode()
    with pytest.raises(MalformedInputError) as error:
        Scan(data, within(cuts, data), offset=10)
    assert error.value.code == "malformed_csv"


def test_an_unclosed_quote_is_reported_with_offset_and_record():
    with pytest.raises(MalformedInputError) as error:
        Scan(b'a,b\nc,d\n"e,f\ng,h\n', offset=100)
    assert (error.value.offset, error.value.record) == (108, 3)


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_a_row_may_have_max_record_bytes_and_not_more(piece):
    for size, fits in ((29, True), (30, True), (31, False)):
        data = b"a,b\n" + b"x" * (size - 1) + b"\nc,d\n"
        cuts = range(piece, len(data), piece)
        if fits:
            assert Scan(data, cuts, max_record_bytes=30).runs.records == 3
            continue
        with pytest.raises(MalformedInputError) as error:
            Scan(data, cuts, max_record_bytes=30)
        found = error.value
        assert (found.code, found.offset, found.record) == ("record_too_large", 4, 2)


@given(tables, cut_places)
def test_a_small_max_record_bytes_changes_nothing_for_rows_that_fit(table, cuts):
    out = io.StringIO(newline="")
    csv.writer(out).writerows(table)
    data = out.getvalue().encode()
    longest = max((end - start for start, end in Scan(data).spans), default=1)
    assert Scan(data, within(cuts, data), max_record_bytes=longest).rows == table


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_bare_crs_after_a_line_end_in_quotes_are_found(piece):
    data = b'a\r"b\nc"\r' + b"d\r" * 20
    scan = Scan(data, range(piece, len(data), piece), max_record_bytes=10)
    assert scan.rows == [["a"], ["b\nc"], *[["d"]] * 20]


@pytest.mark.parametrize("bound", range(4, 20))
def test_max_record_bytes_does_not_cut_a_crlf_in_two(bound):
    data = b"a\rbbb\r\nc\r\r\nddd\r\n"
    spans = [(0, 2), (2, 7), (7, 9), (11, 16)]
    for piece in (1, 2, 3, 5, 1000):
        cuts = range(piece, len(data), piece)
        assert Scan(data, cuts, max_record_bytes=bound).spans == spans
        assert Scan(data, cuts, max_record_bytes=bound, decode=count_rows).spans == spans


def test_errors_count_the_records_before_these_bytes():
    runs = CsvScanner(count_rows, max_record_bytes=100, records=-1)
    list(runs.feed(b"name,email\na,b\n"))
    assert runs.records == 1


@pytest.mark.parametrize("data", [b"a", b"a,b\n", b"a\r\nb\r\n", b"a\n\nb", b"\na", b'"a\nb"\n'])
def test_count_rows_agrees_with_read_rows_on_short_texts(data):
    rows, whole = read_rows(data)
    counted, also_whole = count_rows(data)
    assert len(rows) == len(counted)
    assert whole == also_whole == len(data)


def as_csv_places(data):
    """Where each row is, told by csv itself: it has read so many bytes when it gives a row."""
    position, start, ended, spans = 0, 0, False, []

    def lines():
        nonlocal position, ended
        for line in io.StringIO(data, newline=""):
            position += len(line)
            yield line
        ended = True

    for row in csv.reader(lines()):
        if row and not ended:
            spans.append((start, position))
        start = position
    return spans


def test_spans_of_rows_agree_with_pythons_csv_on_all_short_texts():
    texts = ["".join(letters) for letters in product('",\n\ra', repeat=6)]
    whole = [text for text in texts if read_rows(text.encode())[1] == len(text)]
    assert len(whole) > len(texts) / 2
    for text in whole:
        assert Scan(text.encode()).spans == as_csv_places(text), text


@given(texts, st.sampled_from([";", "\t", "|", "^", "\\"]), cut_places)
def test_another_delimiter_gives_the_same_rows(text, delimiter, cuts):
    data = text.encode()
    swapped = text.replace(",", delimiter).encode()
    try:
        scan = Scan(data, within(cuts, data))
    except MalformedInputError:
        with pytest.raises(MalformedInputError):
            Scan(swapped, dialect=CsvDialect(delimiter=delimiter))
        return
    other = Scan(swapped, within(cuts, swapped), dialect=CsvDialect(delimiter=delimiter))
    assert other.rows == [[field.replace(",", delimiter) for field in row] for row in scan.rows]
    assert other.spans == scan.spans
    counted = Scan(
        swapped, within(cuts, swapped), decode=count_rows, dialect=CsvDialect(delimiter=delimiter)
    )
    assert counted.spans == scan.spans


@pytest.mark.parametrize("text", [",", ";", "\t", "|", ":", "^", "~", "'"])
def test_is_delimiter_accepts_ascii_punctuation_and_tab(text):
    assert is_delimiter(text)


@pytest.mark.parametrize("text", ["", ",,", '"', "\n", "\r", " ", "a", "0", "\0", "é", ",\n"])
def test_is_delimiter_rejects_everything_else(text):
    assert not is_delimiter(text)


def as_read_by_hand(text):
    """Spans and rows by a machine of four states, without csv and without a pattern.

    None if a quoted field is open at the end.
    """
    spans, rows, row, field = [], [], [], []
    state, start, at = "start", 0, 0

    def end_row():
        nonlocal start, row, field
        if row or field or state != "start":
            rows.append([*row, "".join(field)])
            spans.append((start, at))
        start, row, field = at, [], []

    while at < len(text):
        char, at = text[at], at + 1
        if state == "quoted":
            if char == '"':
                state = "closing"
            else:
                field.append(char)
        elif char == '"' and state != "plain":
            if state == "closing":
                field.append(char)
            state = "quoted"
        elif char == ",":
            row.append("".join(field))
            state, field = "start", []
        elif char in "\r\n":
            at += text[at - 1 : at + 1] == "\r\n"
            end_row()
            state = "start"
        else:
            field.append(char)
            state = "plain"
    end_row()
    return None if state == "quoted" else (spans, rows)


@given(texts | st.text(alphabet='",\n\ra', min_size=20, max_size=200), cut_places)
@example('a""\n"b\n', [])
@example('"a\r""\n"\nb', [3])
@example('"a"b"\n"\r', [])
@example('x\r\n"\r', [])
def test_csv_scanner_agrees_with_a_hand_written_reader(text, cuts):
    data = text.encode()
    expected = as_read_by_hand(text)
    if expected is None:
        with pytest.raises(MalformedInputError):
            Scan(data, within(cuts, data))
        return
    scan = Scan(data, within(cuts, data))
    assert len(scan.rows) == len(expected[1])
    for row, by_hand in zip(scan.rows, expected[1], strict=True):
        assert isinstance(row, IrregularRow) or row == by_hand
    if text.isascii():
        assert scan.spans == expected[0]
    assert scan.raw == data


@given(texts.filter(bool), st.sampled_from(",;"))
def test_read_rows_leaves_out_the_row_with_an_unclosed_quote(text, delimiter):
    data = text.encode()
    dialect = CsvDialect(delimiter=delimiter)
    rows, whole = read_rows(data, dialect)
    counted, same = count_rows(data, dialect)
    assert same == whole
    assert len(counted) == len(rows)
    assert read_rows(data[:whole], dialect) == (rows, whole) if whole else not rows
    assert whole == len(data) or read_rows(data[whole:], dialect) == ([], 0)


HOSTILE = ['"', '""\n', '"\n', "\n", "\r", ",", '",', '"a""b\n', "a\n\n", "a"]


def read_hostile(decode, text):
    # Each run is looked at alone: what is kept of all of them is not the reader's.
    data = text.encode()
    runs = CsvScanner(decode, max_record_bytes=MIB)
    try:
        for at in range(0, len(data), 64 * KIB):
            for run in runs.feed(data[at : at + 64 * KIB]):
                runs.spans(run)
        for run in runs.close():
            runs.spans(run)
    except MalformedInputError:
        pass


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("first", ["", '"', "a,b\n"])
def test_hostile_csv_takes_linear_time_and_memory(unit, first):
    text = first + unit * (MIB // len(unit))
    assert seconds(lambda: read_hostile(count_rows, text)) < 10
    small = text[: 32 * KIB]
    assert most_memory(lambda: read_hostile(read_rows, small)) < 300 * len(small)
