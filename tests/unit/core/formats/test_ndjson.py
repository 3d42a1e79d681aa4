"""Lines of JSON as runs: the fast way and the slow way see the same."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MalformedInputError
from core.formats.ndjson import NdjsonScanner
from tests.support import splits
from tests.support.resource_usage import KIB, MIB, most_memory, seconds

decode_lines = msgspec.json.Decoder(msgspec.Raw).decode_lines


def refuse_all(data):
    raise msgspec.DecodeError


def scan(raw, pieces, decode=decode_lines, **options):
    """Records, their places, and all the bytes."""
    runs = NdjsonScanner(decode, msgspec.Raw, **{"max_record_bytes": 1 << 20, **options})
    found = [run for piece in pieces for run in runs.feed(piece)] + list(runs.close())
    assert b"".join(run.raw for run in found) == raw
    spans = [span for run in found for span in runs.spans(run)]
    records = [bytes(record) for run in found for record in run.records]
    assert runs.records == len(records) == len(spans)
    for run in found:
        assert not run.records or run.start == runs.spans(run)[0][0]
    return records, spans


def result(*arguments, **options):
    try:
        return scan(*arguments, **options)
    except MalformedInputError as error:
        return error.code, error.offset, error.record, error.detail


lines = st.lists(
    st.sampled_from(
        [b"{}", b'{"a":1}', b'{"a":{"b":"}"}}', b" {} ", b"[]", b"1", b'"x"', b"{}{}", b"{", b"}",
         b'{"a":', b"1}", b"", b" ", b"\r", b"{}\r", b'"\\ud800"', b"1e999", b"NaN", b"\x0c"]
    ),
    max_size=8,
).map(b"\n".join)  # fmt: skip


@given(raw=lines, data=st.data(), bound=st.sampled_from([1, 3, 8, 1 << 20]))
def test_ndjson_scanner_gives_the_same_for_both_ways_and_any_pieces(raw, data, bound):
    whole = result(raw, [raw], max_record_bytes=bound)
    assert result(raw, data.draw(splits.cuts(raw)), max_record_bytes=bound) == whole
    assert result(raw, [raw], refuse_all, max_record_bytes=bound) == whole
    assert result(raw, splits.pieces_of(raw, 1), refuse_all, max_record_bytes=bound) == whole


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_spans_of_lines_include_their_line_ends(end, last):
    written = [json.dumps({"name": f"N{n}", "x": {"y": "}{"}}).encode() for n in range(5000)]
    raw = end.join(written) + end * last
    records, spans = scan(raw, splits.pieces_of(raw, 70_000), offset=7)
    assert records == written
    assert [raw[start - 7 : ending - 7].rstrip() for start, ending in spans] == written
    assert spans[0][0] == 7
    assert spans[-1][1] == len(raw) + 7
    assert all(spans[at][1] == spans[at + 1][0] for at in range(len(spans) - 1))


def test_errors_have_line_and_record():
    raw = b'\n{"a":1}\n\n{"a":2}\n{"a":}\n'
    for pieces in splits.chunkings(raw):
        with pytest.raises(MalformedInputError, match="Line 5, at byte 23") as caught:
            scan(raw, pieces)
        assert (caught.value.offset, caught.value.record) == (23, 3)


@pytest.mark.parametrize("unit", [b"\n", b" \n", b"1\n", b"x", b"{}\n", b" ", b"\r"])
def test_hostile_lines_take_linear_time_and_memory(unit):
    def read(size):
        return result(
            unit * (size // len(unit)), [unit * (size // len(unit))], max_record_bytes=MIB
        )

    assert seconds(lambda: read(MIB)) < 20
    assert most_memory(lambda: read(32 * KIB)) < 500 * 32 * KIB
