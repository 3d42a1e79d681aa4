import json
from itertools import chain, pairwise, repeat

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import MalformedInputError
from core.formats.json import JsonScanner, first_error
from tests.support.resource_usage import KIB, MIB, most_memory, seconds

decode_raw = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Scan:
    """What comes out when ``data`` goes in, in pieces that end at ``cuts``."""

    def __init__(self, data, cuts=(), *, max_record_bytes=1 << 20, offset=0):
        self.runs = JsonScanner(
            decode_raw, msgspec.Raw, max_record_bytes=max_record_bytes, offset=offset
        )
        self.found = []
        bounds = [0, *sorted(cuts), len(data)]
        for start, end in pairwise(bounds):
            self.found += self.runs.feed(data[start:end])
        self.found += self.runs.close()

    @property
    def raw(self):
        return b"".join(run.raw for run in self.found)

    @property
    def spans(self):
        return [span for run in self.found for span in self.runs.spans(run)]

    @property
    def records(self):
        return [json.loads(bytes(record)) for run in self.found for record in run.records]


def problem(data, cuts=(), **options):
    with pytest.raises(MalformedInputError) as error:
        Scan(data, cuts, **options)
    return error.value.code, error.value.offset, error.value.record


tricky = st.text(alphabet='[]{}",:\\/ \n\tué🙂\ud800\x00', max_size=12)
scalars = (
    st.none() | st.booleans() | st.integers() | tricky | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False)
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(tricky, inner, max_size=4),
    max_leaves=8,
)
arrays = st.lists(values, max_size=12)
indents = st.sampled_from([None, 0, 1])


def encoded(array, *, ascii_only, indent):
    """An array's bytes from behind its ``[``."""
    text = json.dumps(array, ensure_ascii=ascii_only, indent=indent)
    return text.encode("utf-8", "surrogatepass")[1:]


@given(arrays, st.booleans(), indents, st.data())
def test_json_scanner_gives_the_same_records_and_all_bytes_for_any_pieces(
    array, ascii_only, indent, data
):
    text = encoded(array, ascii_only=ascii_only, indent=indent)
    body = text + b" tail"
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
    scan, whole = Scan(body, cuts), Scan(body)
    assert (scan.raw, scan.runs.rest, scan.runs.closed) == (text, b" tail", True)
    assert scan.runs.records == len(scan.records) == len(array)
    assert scan.spans == whole.spans
    assert [json.loads(body[start:end]) for start, end in scan.spans] == array


@given(arrays, st.booleans(), indents)
def test_json_scanner_reads_single_bytes(array, ascii_only, indent):
    text = encoded(array, ascii_only=ascii_only, indent=indent)
    scan = Scan(text, range(1, len(text)))
    assert scan.raw == text
    assert [json.loads(text[start:end]) for start, end in scan.spans] == array


@given(arrays, st.data())
def test_json_part_need_not_end_with_the_array(array, data):
    text = encoded(array, ascii_only=True, indent=None).removesuffix(b"]")
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=5))
    scan = Scan(text, cuts, offset=1000)
    assert not scan.runs.closed
    assert scan.runs.records == len(array)
    assert [json.loads(text[start - 1000 : end - 1000]) for start, end in scan.spans] == array


@given(arrays.filter(bool), st.data())
def test_json_parts_read_separately_equal_the_whole(array, data):
    text = encoded(array, ascii_only=False, indent=None).removesuffix(b"]")
    spans = Scan(text).spans
    at = data.draw(st.integers(0, len(spans) - 1))
    first, second = text[: spans[at][1]], text[spans[at][1] :].lstrip(b", ")
    records = [part[start:end] for part in (first, second) for start, end in Scan(part).spans]
    assert [json.loads(record) for record in records] == array


@given(st.binary(max_size=40), st.lists(st.integers(0, 40), max_size=4))
@example(b'{"a":"\\ud83d\\ude00"}]', [9, 12])
@example(b"1 2]", [])
@example(b'{"a":1},]', [])
@example(b"-]", [])
@example(b"1.]", [])
@example(b"[1}]", [])
@example(b"NaN]", [])
@example(b'{"a":Infinity}]', [])
@example(b'"\x01"]', [])
def test_json_scanner_accepts_what_pythons_json_accepts_and_nothing_else(data, cuts):
    text = "[" + data.decode("latin-1")
    try:
        json.JSONDecoder(parse_constant=lambda name: 1 / 0).raw_decode(text)
        valid = True
    except (ValueError, ZeroDivisionError, StopIteration):
        valid = False
    cuts = [cut for cut in cuts if cut <= len(data)]
    try:
        closed = Scan(data, cuts).runs.closed
    except MalformedInputError:
        closed = False
    assert closed == valid


@given(arrays.filter(lambda array: len(array) > 1), st.data())
def test_an_invalid_record_is_reported_with_its_number(array, data):
    text = encoded(array, ascii_only=True, indent=None)
    spans = Scan(text).spans
    bad = data.draw(st.integers(0, len(spans) - 1))
    start, end = spans[bad]
    spoilt = text[:start] + b'{"a" 1}' + text[end:] + b" " * 20
    cuts = data.draw(st.lists(st.integers(0, len(spoilt)), max_size=4))
    assert problem(spoilt, cuts, offset=50) == ("malformed_json", 50 + start + 5, bad + 1)


@pytest.mark.parametrize(
    ("data", "code", "offset", "record"),
    [
        (b'{"a":1} {"b":2}]' + b" " * 20, "malformed_json", 8, 1),
        (b'{"a":1},,{"b":2}]' + b" " * 20, "malformed_json", 8, 2),
        (b'{"a":tru}]' + b" " * 20, "malformed_json", 5, 1),
        (b'{"a":1},{"b":' + b"x" * 30, "malformed_json", 13, 2),
        (b"[" * 100_000, "nested_too_deeply", 0, 1),
    ],
)
def test_errors_have_offset_and_record(data, code, offset, record):
    assert problem(data) == (code, offset, record)


@pytest.mark.parametrize("cut_off", [b'{"a":1},{"b":"x', b'{"a":1},{"b"', b'{"a":1},{"b":tr'])
def test_an_incomplete_record_is_an_error_only_at_the_end(cut_off):
    runs = JsonScanner(decode_raw, msgspec.Raw, max_record_bytes=1000)
    list(runs.feed(cut_off))
    with pytest.raises(MalformedInputError) as error:
        list(runs.close())
    assert error.value.record == 2


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_a_record_may_have_max_record_bytes_and_not_more(piece):
    for size, fits in ((49, True), (50, True), (51, False)):
        record = b'{"a":"' + b"x" * (size - 8) + b'"}'
        data = b'{"b":1},' + record + b',{"c":2}]'
        cuts = range(piece, len(data), piece)
        if fits:
            assert Scan(data, cuts, max_record_bytes=50).runs.records == 3
        else:
            assert problem(data, cuts, max_record_bytes=50) == ("record_too_large", 8, 2)


@given(arrays, st.data())
def test_a_small_max_record_bytes_changes_nothing_for_records_that_fit(array, data):
    text = encoded(array, ascii_only=True, indent=None)
    longest = max((end - start for start, end in Scan(text).spans), default=1)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=6))
    scan = Scan(text, cuts, max_record_bytes=longest)
    assert scan.raw == text
    assert scan.runs.records == len(array)


def test_memory_stays_bounded_for_an_endless_record():
    runs = JsonScanner(decode_raw, msgspec.Raw, max_record_bytes=1000)
    fed = []

    def feed_for_ever():
        for piece in chain([b'["'], repeat(b"x" * 100)):
            fed.append(piece)
            list(runs.feed(piece))

    with pytest.raises(MalformedInputError) as error:
        feed_for_ever()
    assert error.value.code == "record_too_large"
    assert len(fed) <= 12


@given(st.lists(st.sampled_from([b" ", b"\n", b"\r", b"\t"]), max_size=30))
def test_white_space_is_yielded_as_a_run_without_records(spaces):
    space = b"".join(spaces)
    scan = Scan(space + b"{}" + space + b"," + space + b"1" + space + b"]" + space)
    assert (
        scan.raw + scan.runs.rest
        == space + b"{}" + space + b"," + space + b"1" + space + b"]" + space
    )
    assert scan.records == [{}, 1]


constants = st.sampled_from(["NaN", "Infinity", "-Infinity"])
decoys = st.text(alphabet='NaInfity-\\"n', max_size=12) | constants


@given(st.lists(decoys, max_size=5), constants, st.text(alphabet='NaN"\\,', max_size=9))
@example(["\\"], "NaN", "")
@example(["\\\\", 'NaN"\\'], "-Infinity", '"')
def test_first_error_finds_nan_and_infinity_after_escaped_strings(strings, constant, rest):
    before = "[" + "".join(json.dumps(text) + ", " for text in strings)
    position, reason = first_error(before + constant + rest)
    assert (position, reason) == (len(before), "NaN and Infinity are not JSON")


@pytest.mark.parametrize("unit", ["\\n", '\\"', '","', "NaN", "a", '\\\\","'])
def test_first_error_takes_linear_time_and_memory_for_hostile_strings(unit):
    text = '["' + unit * (MIB // len(unit)) + '", NaN]'
    assert first_error(text) == (len(text) - 4, "NaN and Infinity are not JSON")
    assert seconds(lambda: first_error(text)) < 5
    small = '["' + unit * (32 * KIB // len(unit)) + '", NaN]'
    assert most_memory(lambda: first_error(small)) < 100 * len(small)
