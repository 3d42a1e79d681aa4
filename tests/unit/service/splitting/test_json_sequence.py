"""Objects one after the other: each becomes a line of the object."""

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models import Part
from service.splitting.json_sequence import JsonSequenceSplitter
from tests.support import bodies, splits
from tests.support.splits import BIG, Outcome, RejectedBody, json_splitter, run, same_for_all, taken

splitter_of = partial(json_splitter, JsonSequenceSplitter)


def small() -> JsonSequenceSplitter:
    return splitter_of(50, 1000)


objects = st.lists(st.dictionaries(bodies.texts, bodies.values, max_size=3), min_size=1, max_size=9)


@st.composite
def sequences(draw: st.DrawFn) -> tuple[bytes, list[object]]:
    """Objects in any notation, with white space or a comma between them."""
    written = draw(objects)
    raw = draw(st.sampled_from([b"", bodies.BOM])) + draw(bodies.gaps)
    for value in written:
        comma = draw(st.sampled_from([b"", b","])) if value is not written[-1] else b""
        raw += draw(bodies.json_text(value)) + draw(bodies.gaps) + comma + draw(bodies.gaps)
    return raw, written


@given(data=st.data(), sequence=sequences(), part_bytes=st.integers(1, 60))
def test_a_sequence_has_one_result_in_any_pieces(data, sequence, part_bytes):
    raw, values = sequence
    outcome = taken(splitter_of(part_bytes, BIG), data.draw(splits.cuts(raw)))
    assert outcome == taken(splitter_of(part_bytes, BIG), [raw])
    lines = outcome.stored.split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line) for line in lines] == values
    assert outcome.split.bytes == len(outcome.stored)
    assert outcome.split.records == len(values)
    splits.parts_hold(outcome.split, part_bytes)
    parts = [outcome.stored[part.byte_start : part.byte_end] for part in outcome.split.parts]
    assert b"".join(parts) == outcome.stored
    assert [part.count(b"\n") for part in parts] == [each.records for each in outcome.split.parts]


@given(data=st.data(), sequence=sequences(), max_record=st.sampled_from([5, 16, 40, 100, BIG]))
def test_a_malformed_sequence_has_one_error_in_any_pieces(data, sequence, max_record):
    broken = data.draw(bodies.mutations(sequence[0]))
    whole = run(splitter_of(30, max_record), [broken])
    assert run(splitter_of(30, max_record), data.draw(splits.cuts(broken))) == whole
    assert run(splitter_of(30, max_record), splits.pieces_of(broken, 1)) == whole


REFUSED = {
    b"": RejectedBody("data_missing", None, None),
    b" \n": RejectedBody("data_missing", None, None),
    b"{}[]": RejectedBody("malformed_json", 2, 2),
    b"{},,{}": RejectedBody("malformed_json", 3, 2),
    b",{}": RejectedBody("malformed_json", 0, 1),
    b'{"a":1}\n{"b":': RejectedBody("malformed_json", 13, 2),
    b'{"a":"x': RejectedBody("malformed_json", 5, 1),
    b"{'a':1}\n" + b"{}" * 20: RejectedBody("malformed_json", 1, 1),
    b'{"a":NaN}\n' + b"{}" * 20: RejectedBody("malformed_json", 5, 1),
    b'{}{"a":"' + b"x" * 1000 + b'"}': RejectedBody("record_too_large", 2, 2),
    b'{}{"a":"\xff"}': RejectedBody("invalid_utf8", 8, 2),
}


@pytest.mark.parametrize(("raw", "refusal"), REFUSED.items(), ids=lambda item: repr(item)[:40])
def test_malformed_sequences_are_rejected(raw, refusal):
    assert same_for_all(small, raw) == refusal


@pytest.mark.parametrize("end", [b"", b"\n", b",", b" ,\n"])
def test_a_comma_may_end_the_text(end):
    outcome = same_for_all(small, b'{\r\n"a":\n1},\n{"b":2}' + end)
    assert isinstance(outcome, Outcome)
    assert outcome.stored == b'{  "a": 1}\n{"b":2}\n'
    assert outcome.split.parts == [Part(1, 0, 19, 1, 2)]


def test_a_hundred_thousand_nested_levels_are_rejected():
    outcome = run(splitter_of(50, BIG), splits.pieces_of(b'{"a":' * 100_000, 65536))
    assert outcome == RejectedBody("nested_too_deeply", 0, 1)
