"""Lines of JSON: each is a record, the object is what came, parts end between lines."""

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models import Part
from service.splitting.ndjson import NdjsonSplitter
from tests.support import bodies, splits
from tests.support.import_oracle import assert_outcomes
from tests.support.part_runs import run_parts
from tests.support.reference import NDJSON, judge
from tests.support.splits import BIG, Outcome, RejectedBody, json_splitter, run, same_for_all, taken

splitter_of = partial(json_splitter, NdjsonSplitter)


def small() -> NdjsonSplitter:
    return splitter_of(50, 1000)


@given(data=st.data(), raw=bodies.ndjson_texts(), part_bytes=st.integers(1, 60))
def test_ndjson_splitter_has_one_result_in_any_pieces(data, raw, part_bytes):
    outcome = run(splitter_of(part_bytes, BIG), data.draw(splits.cuts(raw)))
    assert outcome == run(splitter_of(part_bytes, BIG), [raw])
    content = NDJSON.read(raw)
    judge(raw, outcome, content, BIG)
    if content is None:
        return
    assert isinstance(outcome, Outcome)
    assert outcome.stored == raw
    splits.parts_hold(outcome.split, part_bytes)
    parts = outcome.split.parts
    tables = run_parts(raw, outcome.split, parts, piece=data.draw(st.integers(1, 40)))
    assert_outcomes(tables.outcomes, tables.texts, content)


@given(data=st.data(), raw=bodies.ndjson_texts(), max_record=st.sampled_from([5, 16, 40, 100, BIG]))
def test_malformed_lines_have_one_error_in_any_pieces(data, raw, max_record):
    broken = data.draw(bodies.mutations(raw))
    whole = run(splitter_of(30, max_record), [broken])
    assert run(splitter_of(30, max_record), data.draw(splits.cuts(broken))) == whole
    assert run(splitter_of(30, max_record), splits.pieces_of(broken, 1)) == whole
    judge(broken, whole, NDJSON.read(broken), max_record)


GOOD = b'{"name":"Ada"}\n'
REFUSED = {
    b"": RejectedBody("data_missing", None, None),
    b"\n \r\n\n": RejectedBody("data_missing", None, None),
    bodies.BOM: RejectedBody("data_missing", None, None),
    b"name,email\n": RejectedBody("malformed_json", 0, 1),
    GOOD + b"\n{'name'}\n": RejectedBody("malformed_json", 17, 2),
    GOOD + b'{"name":"A"} {"name":"B"}\n': RejectedBody("malformed_json", 28, 2),
    GOOD + b'{"name":"A"},\n': RejectedBody("malformed_json", 27, 2),
    GOOD + b'{"name":\n"A"}\n': RejectedBody("malformed_json", 24, 2),
    GOOD + b'{"a":1}\r{"b":2}\n': RejectedBody("malformed_json", 23, 2),
    GOOD + b'{"name":"A"': RejectedBody("malformed_json", 26, 2),
    b"\n{}{}\n": RejectedBody("malformed_json", 3, 1),
    b'{"a":\n1}\n{} {}\n': RejectedBody("malformed_json", 6, 1),
    b'{"a":{\n}}\n{}{}\n': RejectedBody("malformed_json", 7, 1),
    b'{"a":"}\n{"}\n{} {}\n': RejectedBody("malformed_json", 7, 1),
    GOOD + b"NaN\n": RejectedBody("malformed_json", 15, 2),
    GOOD + b"\x0c\n": RejectedBody("malformed_json", 15, 2),
    GOOD + b"[" * 400_000: RejectedBody("record_too_large", 15, 2),
    GOOD + b"1" * 1001: RejectedBody("record_too_large", 15, 2),
    GOOD + b" " * 1001 + b"\n": RejectedBody("record_too_large", 15, 2),
    GOOD + b'"\xff"\n': RejectedBody("invalid_utf8", 16, 2),
    GOOD + b"\xc3": RejectedBody("invalid_utf8", 15, 2),
}


@pytest.mark.parametrize(("raw", "refusal"), REFUSED.items(), ids=lambda item: repr(item)[:40])
def test_malformed_ndjson_files_are_rejected(raw, refusal):
    if len(raw) > 100_000:
        assert run(small(), [raw]) == run(small(), splits.pieces_of(raw, 1000)) == refusal
        return
    assert same_for_all(small, raw) == refusal


def test_a_too_deeply_nested_line_is_rejected():
    outcome = run(splitter_of(50, BIG), [GOOD + b"[" * 100_000 + b"\n"])
    assert outcome == RejectedBody("nested_too_deeply", 15, 2)


@pytest.mark.parametrize("size", [999, 1000, 1001])
@pytest.mark.parametrize("end", [b"\n", b"", b"\n{}\n"])
def test_the_size_limit_of_a_line_and_its_neighbours(size, end):
    outcome = same_for_all(small, GOOD + b'"' + b"x" * (size - 2) + b'"' + end)
    assert isinstance(outcome, Outcome if size <= 1000 else RejectedBody)


def test_parts_end_between_lines_and_blank_lines_are_accepted():
    raw = b'\n\r\n{"name":"A"}\r\n\n  {"name":"B"}  \n\t\n{"name":"C"}\n\n'
    outcome = same_for_all(lambda: splitter_of(20, BIG), raw)
    assert isinstance(outcome, Outcome)
    assert outcome.stored == raw
    assert outcome.split.parts == [Part(1, 3, 35, 1, 2), Part(2, 37, 50, 3, 1)]
    lines = [json.loads(line) for line in raw.splitlines() if line.strip()]
    assert outcome.split.records == len(lines)


def test_lines_are_yielded_as_soon_as_they_are_complete():
    splitter = splitter_of(BIG, BIG)
    assert b"".join(splitter.feed(GOOD + b'{"na')) == GOOD


def test_lines_may_be_any_json_values():
    raw = b'{}\n[]\n1\nnull\n"x"\n1e999\n{"name":"\\ud800"}\n' + b"9" * 900 + b"\n{}"
    outcome = taken(small(), [raw])
    assert outcome.split.records == 9
