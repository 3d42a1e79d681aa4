"""A file that is one JSON array: the object is the file."""

import json
from functools import partial

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.splitting.json_array import JsonArraySplitter
from tests.support import bodies, splits
from tests.support.splits import BIG, Outcome, RejectedBody, json_splitter, run, same_for_all, taken

splitter_of = partial(json_splitter, JsonArraySplitter)


def small() -> JsonArraySplitter:
    return splitter_of(50, 1000)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    before, behind = draw(bodies.gaps), draw(bodies.gaps)
    written = draw(bodies.json_text(draw(bodies.records)))
    return draw(st.sampled_from([b"", bodies.BOM])) + before + written + behind


@given(data=st.data(), raw=files(), part_bytes=st.integers(1, 60))
def test_json_array_splitter_has_one_result_in_any_pieces(data, raw, part_bytes):
    outcome = taken(splitter_of(part_bytes, BIG), data.draw(splits.cuts(raw)))
    assert outcome == taken(splitter_of(part_bytes, BIG), [raw])
    assert outcome.stored == raw
    assert outcome.split.bytes == len(raw)
    splits.parts_hold(outcome.split, part_bytes)


@given(raw=files(), part_bytes=st.integers(1, 60))
def test_the_parts_have_all_records_of_the_array(raw, part_bytes):
    split = taken(splitter_of(part_bytes, BIG), [raw]).split
    parsed = [
        json.loads(b"[" + raw[part.byte_start : part.byte_end] + b"]") for part in split.parts
    ]
    assert [record for part in parsed for record in part] == json.loads(raw.decode("utf-8-sig"))
    assert [len(records) for records in parsed] == [part.records for part in split.parts]
    # No part could have been cut earlier.
    lasts = [
        raw[part.byte_start : part.byte_end].rstrip() for part in split.parts if part.records == 1
    ]
    assert all(json.loads(b"[" + last + b"]") for last in lasts)


@given(data=st.data(), raw=files())
def test_json_array_splitter_accepts_what_a_strict_parser_accepts(data, raw):
    broken = data.draw(bodies.mutations(raw))
    assume(not broken.startswith((b"\xff\xfe", b"\xfe\xff")))
    outcome = run(small(), [broken])
    read = bodies.read_strictly(broken)
    if isinstance(outcome, Outcome):
        assert read is not None
        assert isinstance(read.value, list)
        assert outcome.stored == broken
        assert outcome.split.records == len(read.value)
    elif outcome.code == "data_not_array":
        assert read is None or not isinstance(read.value, list)
    else:
        assert read is None


@given(data=st.data(), raw=files(), max_record=st.sampled_from([20, 100, BIG]))
def test_a_malformed_json_file_has_one_error_in_any_pieces(data, raw, max_record):
    broken = data.draw(bodies.mutations(raw))
    whole = run(splitter_of(30, max_record), [broken])
    assert run(splitter_of(30, max_record), data.draw(splits.cuts(broken))) == whole
    assert run(splitter_of(30, max_record), splits.pieces_of(broken, 1)) == whole


def test_the_first_error_is_reported_even_in_an_incomplete_object():
    broken = b'[null, {[[ "name of a person": "\xff", "email": ""}]'
    whole = run(splitter_of(30, BIG), [broken])
    assert whole == RejectedBody("malformed_json", 8, 2)
    assert run(splitter_of(30, BIG), splits.pieces_of(broken, 1)) == whole


REFUSED = {
    b"": RejectedBody("malformed_json", None, None),
    bodies.BOM: RejectedBody("malformed_json", None, None),
    b" \n": RejectedBody("malformed_json", None, None),
    b'{"source":"s","data":[]}': RejectedBody("data_not_array", 0, None),
    b'  "x"': RejectedBody("data_not_array", 2, None),
    b"name,email\n": RejectedBody("data_not_array", 0, None),
    b"[": RejectedBody("malformed_json", None, None),
    b"[1": RejectedBody("malformed_json", None, 1),
    b'["a': RejectedBody("malformed_json", 1, 1),
    b"[1,]": RejectedBody("malformed_json", 3, 2),
    b"[1][2]": RejectedBody("malformed_json", 3, None),
    b"[1] \n x": RejectedBody("malformed_json", 6, None),
    bodies.BOM + b"[1] \x00": RejectedBody("malformed_json", 7, None),
    b"[1,\xff]": RejectedBody("invalid_utf8", 3, 2),
    b"[1]\xff": RejectedBody("invalid_utf8", 3, None),
    b'[1,"\xf0\x9f\x98"]': RejectedBody("invalid_utf8", 4, 2),
    b'[1,"' + b"x" * 999 + b'"]': RejectedBody("record_too_large", 3, 2),
}


@pytest.mark.parametrize(("raw", "refusal"), REFUSED.items(), ids=lambda item: repr(item)[:40])
def test_malformed_json_files_are_rejected(raw, refusal):
    assert same_for_all(small, raw) == refusal


@pytest.mark.parametrize("raw", [b"[]", b" [ ] ", bodies.BOM + b"\n[]", b"[\n]\n"])
def test_an_empty_array_has_no_parts(raw):
    outcome = same_for_all(small, raw)
    assert isinstance(outcome, Outcome)
    assert outcome.stored == raw
    assert (outcome.split.records, outcome.split.parts) == (0, [])


def test_space_around_the_array_is_not_kept_in_memory():
    splitter = small()
    gap = b" \n" * 32768
    passed = [b"".join(splitter.feed(gap)) for _ in range(20)]
    passed += [b"".join(splitter.feed(b"[" + gap)), b"".join(splitter.feed(b"]" + gap))]
    assert passed == [gap] * 20 + [b"[" + gap, b"]" + gap]
