"""The JSON body, split: the array's bytes and nothing else, whatever is around it."""

import json
from functools import partial
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.formats.json import JsonScanner
from core.models import Part
from core.reading.sniffing import Kind
from service.intake.limits import Limits
from service.option_names import is_option_like
from service.splitting import envelope
from service.splitting.envelope import MAX_ENVELOPE_BYTES, EnvelopeSplitter
from tests.support import bodies, splits
from tests.support.splits import (
    BIG,
    OBJECTS,
    Outcome,
    RejectedBody,
    json_splitter,
    refused,
    run,
    run_as_read,
    same_for_all,
    taken,
)

SEMANTIC = {
    *("data_missing", "data_not_array", "source_missing", "source_invalid", "duplicate_key"),
    "unknown_option",
}


LIMITS = Limits(2**30, 1000, 50)


splitter_of = partial(json_splitter, EnvelopeSplitter)


def small() -> EnvelopeSplitter:
    return splitter_of(50, 1000)


def spans_of(array: bytes, records: list[object]) -> list[tuple[int, int]]:
    """Where each record stands in the array, found with the standard library's decoder."""
    text, at, spans = array.decode("latin-1"), 1, []
    decoder = json.JSONDecoder()
    for _ in records:
        at += len(text[at:]) - len(text[at:].lstrip(" \t\r\n,"))
        _, end = decoder.raw_decode(text, at)
        spans.append((at, end))
        at = end
    return spans


def as_workers_read(stored: bytes, part: Part, size: int) -> list[object]:
    """The records of a part, found with the code that the workers use."""
    runs = JsonScanner(
        msgspec.json.Decoder(list[msgspec.Raw]).decode,
        msgspec.Raw,
        max_record_bytes=BIG,
        offset=part.byte_start,
    )
    content = stored[part.byte_start : part.byte_end]
    found = [run for piece in splits.pieces_of(content, size) for run in runs.feed(piece)]
    found += runs.close()
    assert b"".join(run.raw for run in found) == content
    return [json.loads(bytes(raw)) for run in found for raw in run.records]


@given(data=st.data(), body=bodies.bodies(), part_bytes=st.integers(1, 60))
def test_envelope_splitter_has_one_result_in_any_pieces(data, body, part_bytes):
    pieces = data.draw(splits.cuts(body.raw))
    outcome = taken(splitter_of(part_bytes, BIG), pieces)
    split = outcome.split
    assert outcome.stored == body.array
    assert outcome.source == body.source
    assert split.bytes == len(body.array)
    assert split.records == len(body.records)
    assert split.plan == OBJECTS
    assert split.parts == splits.greedy_parts(spans_of(body.array, body.records), part_bytes)
    splits.parts_hold(split, part_bytes)


@given(data=st.data(), body=bodies.bodies(), part_bytes=st.integers(1, 60))
def test_the_parts_have_all_records_of_the_body(data, body, part_bytes):
    outcome = taken(splitter_of(part_bytes, BIG), [body.raw])
    size = data.draw(st.integers(1, 40))
    parts = outcome.split.parts
    parsed = [
        json.loads(b"[" + outcome.stored[part.byte_start : part.byte_end] + b"]") for part in parts
    ]
    assert [record for part in parsed for record in part] == body.records
    assert [as_workers_read(outcome.stored, part, size) for part in parts] == parsed


@given(data=st.data(), body=bodies.bodies(), max_record=st.integers(1, 60))
def test_a_too_large_record_is_rejected_in_any_pieces(data, body, max_record):
    outcome = run(splitter_of(20, max_record), data.draw(splits.cuts(body.raw)))
    spans = spans_of(body.array, body.records)
    too_large = [
        RejectedBody("record_too_large", body.array_at + start, number)
        for number, (start, end) in enumerate(spans, 1)
        if end - start > max_record
    ]
    if too_large:
        assert outcome == too_large[0]
    else:
        assert isinstance(outcome, Outcome)


@given(data=st.data(), body=bodies.bodies())
def test_envelope_splitter_accepts_what_a_strict_parser_accepts(data, body):
    raw = data.draw(bodies.mutations(body.raw))
    assume(not raw.startswith((b"\xff\xfe", b"\xfe\xff")))
    outcome = run(small(), [raw])
    # Half a surrogate pair beside the records is JSON, but too much for yajl.
    assume(b"\\ud" not in raw or outcome != RejectedBody("malformed_json", None, None))
    assert_like_a_strict_reader(raw, outcome)


def assert_like_a_strict_reader(raw: bytes, outcome: Outcome | RejectedBody) -> None:
    read = bodies.read_strictly(raw)
    if isinstance(outcome, Outcome):
        assert read is not None
        assert json.loads(outcome.stored, parse_int=str) == read.value["data"]
        assert outcome.source == read.value.get("source")
        assert outcome.split.records == len(read.value["data"])
    elif outcome.code in SEMANTIC:
        assert read is None or is_meant_wrong(read)
    else:
        assert read is None, outcome


def is_meant_wrong(read: bodies.Read) -> bool:
    """Whether the body is JSON, but not what it should be."""
    value = read.value
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        return True
    source = value.get("source")
    if any(map(is_option_like, read.keys)):
        return True
    if read.keys.count("data") > 1 or read.keys.count("source") > 1:
        return True
    return (
        ("source" in value and not isinstance(source, str))
        or not source.strip()
        or not source.isprintable()
    )


@given(data=st.data(), body=bodies.bodies(), max_record=st.sampled_from([20, 100, BIG]))
def test_a_malformed_body_has_one_error_in_any_pieces(data, body, max_record):
    raw = data.draw(bodies.mutations(body.raw))
    whole = run(splitter_of(30, max_record), [raw])
    assert run(splitter_of(30, max_record), data.draw(splits.cuts(raw))) == whole
    assert run(splitter_of(30, max_record), splits.pieces_of(raw, 1)) == whole


REFUSED = {
    b"": RejectedBody("malformed_json", None, None),
    b" ": RejectedBody("malformed_json", None, None),
    b"5": RejectedBody("data_missing", None, None),
    b'"x"': RejectedBody("data_missing", None, None),
    b"[1]": RejectedBody("data_missing", None, None),
    b"null": RejectedBody("data_missing", None, None),
    b"{}": RejectedBody("data_missing", None, None),
    b'{"source":"s"}': RejectedBody("data_missing", None, None),
    b'{"source":"s","data":{}}': RejectedBody("data_not_array", None, None),
    b'{"source":"s","data":null}': RejectedBody("data_not_array", None, None),
    b'{"source":"s","data":"[]"}': RejectedBody("data_not_array", None, None),
    b'{"source":5,"data":[]}': RejectedBody("source_invalid", None, None),
    b'{"source":null,"data":[]}': RejectedBody("source_invalid", None, None),
    b'{"source":["s"],"data":[]}': RejectedBody("source_invalid", None, None),
    b'{"source":{"s":1},"data":[]}': RejectedBody("source_invalid", None, None),
    b'{"source":" ","data":[]}': RejectedBody("source_invalid", None, None),
    b'{"data":[],"source":"\\ud800"}': RejectedBody("source_invalid", None, None),
    b'{"source":"a\\u0000b","data":[]}': RejectedBody("source_invalid", None, None),
    b'{"source":"s","data":[1],"data":[]}': RejectedBody("duplicate_key", None, None),
    b'{"source":"s","data":[1],"d\\u0061ta":[]}': RejectedBody("duplicate_key", None, None),
    b'{"source":"s","source":"s","data":[]}': RejectedBody("duplicate_key", None, None),
    b'{"source":"s","data":[1,]}': RejectedBody("malformed_json", 24, 2),
    b'{"source":"s","data":[,1]}': RejectedBody("malformed_json", 22, 1),
    b'{"source":"s","data":[1 2]}': RejectedBody("malformed_json", 24, 1),
    b'{"source":"s","data":[1,2': RejectedBody("malformed_json", None, 2),
    b'{"source":"s","data":[{"a":"x': RejectedBody("malformed_json", 27, 1),
    b'{"source":"s","data":[]': RejectedBody("malformed_json", None, None),
    b'{"source":"s","data":[]} x': RejectedBody("malformed_json", 25, None),
    b'{"source":"s","data":[]}{}': RejectedBody("malformed_json", 24, None),
    b'{"source":"s","data":[]}"': RejectedBody("malformed_json", 24, None),
    b'{"source":"s","data":[]} "x': RejectedBody("malformed_json", 25, None),
    b'{"source":"s" "data":[]}': RejectedBody("malformed_json", 14, None),
    b'{"source":"s",\x0c"data":[]}': RejectedBody("malformed_json", 14, None),
    b'{"source":"s",\x00"data":[]}': RejectedBody("malformed_json", 14, None),
    b'{"source":"s","data":[\x0c1]}': RejectedBody("malformed_json", 22, 1),
    b'{"source":"s","data":["\x00"]}': RejectedBody("malformed_json", 23, 1),
    b'{"source":"s","data":[{"a":NaN}]} ': RejectedBody("malformed_json", 27, 1),
    b'{"source":"s","data":[{"NaN":-Infinity}]} ': RejectedBody("malformed_json", 29, 1),
    b'{"source":"s","x":["NaN",NaN],"data":[]}': RejectedBody("malformed_json", 25, None),
    b'{"source":"s","data":[{"a":"\\x"}]}': RejectedBody("malformed_json", 28, 1),
    b'{"source":"s","data":[{"a":01}, {"b":2}]}': RejectedBody("malformed_json", 28, 1),
    b'{"source":"s","data":["\xff"]}': RejectedBody("invalid_utf8", 23, 1),
    b'{"source":"s","data":[1,"\xed\xa0\x80"]}': RejectedBody("invalid_utf8", 25, 2),
    b'{"source":"s\xff","data":[]}': RejectedBody("invalid_utf8", 12, None),
    b'{"source":"s","data":[1]}\xc3': RejectedBody("invalid_utf8", 25, None),
    b'{\xc3("source":"s"': RejectedBody("invalid_utf8", 1, None),
    b'{"source":"s","data":[{"a":1}]zz\xff': RejectedBody("malformed_json", 30, None),
    b'{"data":[],"source":"s","n":' + b"9" * 4301 + b"}": RejectedBody("number_too_long", 28, None),
    b'{"data":[],"source":"s","x":"\\udc00"}': RejectedBody(
        "malformed_json", None, None
    ),  # yajl's limit
    b'{"data":[],"source":"s","n":1e' + b"9" * 30 + b"}": RejectedBody(
        "number_too_long", None, None
    ),
}


@pytest.mark.parametrize(("body", "refusal"), REFUSED.items(), ids=lambda item: repr(item)[:40])
def test_malformed_envelopes_are_rejected(body, refusal):
    assert same_for_all(small, body) == refusal


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_other_encodings_are_transcoded(encoding):
    body = '{"source": "s", "data": [{"name": "é"}]}'
    for pieces in splits.chunkings(body.encode(encoding)):
        outcome = run_as_read(pieces, Kind.JSON_ENVELOPE, LIMITS)
        assert isinstance(outcome, Outcome)
        assert outcome.stored == '[{"name": "é"}]'.encode()


def test_a_body_need_not_name_its_source():
    outcome = same_for_all(small, b'{"data":[]}')
    assert isinstance(outcome, Outcome)
    assert outcome.source is None


def file_splitter(**options: Any) -> EnvelopeSplitter:
    return splitter_of(50, 1000, is_file=True, **options)


@pytest.mark.parametrize(
    ("source", "found"), [(b'"x"', "x"), (b"5", None), (b'{"a":1}', None), (b'""', None)]
)
def test_a_file_may_have_another_source_than_the_address(source, found):
    body = b'{"source":' + source + b',"data":[1],"mapping":{},"dryRun":1}'
    outcome = same_for_all(lambda: file_splitter(named_source="y"), body)
    assert isinstance(outcome, Outcome)
    assert outcome.source == found


def test_the_address_and_a_body_name_the_same_source():
    def named() -> EnvelopeSplitter:
        return splitter_of(50, 1000, named_source="y")

    assert isinstance(same_for_all(named, b'{"source":"y","data":[1]}'), Outcome)
    assert same_for_all(named, b'{"source":"x","data":[1]}') == RejectedBody(
        "source_invalid", None, None
    )


PATHS = {
    b'{"users":[1,2]}': ("users",),
    b'{"a":[{}],"hits":{"a":[1],"hits":[1,2]},"b":[[{}]]}': ("hits", "hits"),
    b'{"a":{"b":[[{"c":[{}]}]]},"response":{"docs":[1,2]}}': ("response", "docs"),
    b'[{"data":[]},{"data":{"data":[]}},{"data":[1,2],"a":[{}]}]': (2, "data"),
    b'{"a":[[{}]],"users":[1,2],"b":[{}]}': None,
    b'{"users":[1,2],"links":[{}],"b":{"c":[{}]},"d":[],"e":[1,{}]}': ("users",),
}


@pytest.mark.parametrize(("body", "path"), PATHS.items())
def test_the_records_may_be_anywhere(body, path):
    chosen = path or ("users",)
    outcome = same_for_all(lambda: file_splitter(path=chosen), body)
    if path is None or b'"a":[{}]' in body:
        assert outcome == RejectedBody("records_ambiguous", None, None)
        return
    assert isinstance(outcome, Outcome)
    assert outcome.stored == b"[1,2]"
    assert outcome.split.parts == [Part(1, 1, 4, 1, 2)]


@pytest.mark.parametrize("bom", [b"", bodies.BOM])
def test_offsets_count_from_the_first_byte_of_the_body(bom):
    body = bom + b'{"data":[{"a":1}],"source":"s","x":tru}'
    assert same_for_all(small, body) == RejectedBody("malformed_json", len(bom) + 35, None)


def test_a_too_large_record_is_rejected_with_its_offset():
    body = b'{"source":"s","data":[{"a":1},{"b":"' + b"x" * 1000 + b'"}]}'
    assert same_for_all(small, body) == RejectedBody("record_too_large", 30, 2)


@pytest.mark.parametrize("size", [999, 1000, 1001])
def test_the_size_limit_of_a_record_and_its_neighbours(size):
    record = b'{"b":"' + b"x" * (size - 8) + b'"}'
    outcome = same_for_all(small, b'{"source":"s","data":[' + record + b"]}")
    assert isinstance(outcome, Outcome if size <= 1000 else RejectedBody)


@pytest.mark.parametrize("record", [b'"' + b"x" * 2000, b"1" * 2000, b"[" + b"1," * 1000])
def test_an_endless_record_is_rejected_early(record):
    pieces = splits.pieces_of(b'{"source":"s","data":[' + record, 1)
    stored = iter(pieces)
    assert refused(small(), stored) == RejectedBody("record_too_large", 22, 1)
    assert len(list(stored)) > 900


def test_a_hundred_thousand_nested_levels_are_rejected():
    for inside in (b"[" * 100_000, b'{"a":' * 100_000):
        bodies_ = [b'{"source":"s","data":[' + inside, b'{"source":"s","x":' + inside]
        codes = [refused(splitter_of(BIG, BIG), splits.pieces_of(b, 65536)) for b in bodies_]
        assert [refusal.code for refusal in codes] == ["nested_too_deeply"] * 2
        assert codes[0].record == 1


@pytest.mark.parametrize("place", [b'{"x":%b,"source":"s","data":[]}', b'{"data":[],"x":%b}'])
def test_deep_nesting_outside_the_data_is_rejected(place):
    deep = b"[" * 2000 + b"]" * 2000
    assert same_for_all(small, place % deep) == RejectedBody("nested_too_deeply", None, None)
    objects = b'{"a":' * 2000
    assert same_for_all(small, place % objects) == RejectedBody("nested_too_deeply", None, None)


def test_many_brackets_outside_the_data_are_not_nesting():
    body = b'{"x":[' + b"[]," * 50_000 + b'1],"source":"s","data":[1]}'
    assert taken(small(), splits.pieces_of(body, 65536)).stored == b"[1]"


@pytest.mark.parametrize("number", [b"7" * 1_000_000, b"-0." + b"3" * 1_000_000, b"1e" + b"9" * 99])
def test_long_numbers_in_records_are_accepted(number):
    body = b'{"source":"s","data":[' + number + b',{"a":' + number + b"}]}"
    outcome = taken(splitter_of(BIG, 2 * BIG), splits.pieces_of(body, 65536))
    assert outcome.stored == body[21:-1]
    assert outcome.split.records == 2


@pytest.mark.parametrize("size", [1, 3, 4096, 4300, 4301, 10_000])
@pytest.mark.parametrize("shape", [b"%b", b"-%b", b"[%b]", b'{"a":%b}', b"1.%b", b"1e%b", b"[0,%b"])
def test_too_long_numbers_are_rejected_in_any_pieces(size, shape):
    """yajl would end the process here, so that this test would not fail but vanish."""
    lead = b'{"data":[1],"x":'
    body = lead + shape % (b"1" * 9000) + b',"source":"s"}'
    refusal = refused(small(), splits.pieces_of(body, size))
    assert refusal == RejectedBody("number_too_long", body.index(b"1" * 9000), None)


@pytest.mark.parametrize("digits", [4299, 4300])
@pytest.mark.parametrize("size", [1, 4096, 4300, 10_000])
def test_the_limit_of_digits_and_its_neighbour(digits, size):
    number = b"9" * digits
    body = b'{"x":[' + number + b"," + number + b'],"data":[],"y":-' + number + b',"source":"s"}'
    assert taken(small(), splits.pieces_of(body, size)).stored == b"[]"


def test_digits_before_and_after_the_records_are_not_one_number():
    body = b'{"a":' + b"1" * 4300 + b',"data":[' + b"2" * 900 + b'],"b":' + b"3" * 4300 + b"}"
    assert isinstance(same_for_all(small, body), Outcome)


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("filler", [b" ", b"x"])
def test_the_size_of_the_envelope_is_limited(extra, order, filler):
    """One MiB beside the records, whatever it consists of."""
    fixed = b'{"":"","source":"s","data":[]}'
    room = filler * (MAX_ENVELOPE_BYTES - len(fixed) + extra)
    more = b'"":""' + room if filler == b" " else b'"":"' + room + b'"'
    members = [more, b'"source":"s","data":[1,2,3]']
    body = b"{" + b",".join(members if order == "before" else members[::-1]) + b"}"
    outcome = run(small(), splits.pieces_of(body, 65536))
    if extra:
        assert outcome == RejectedBody("envelope_too_large", None, None)
    else:
        assert isinstance(outcome, Outcome)


@pytest.mark.parametrize("around", [(b"", b""), (b"1", b""), (b"1,", b"2"), (b'{"a":1}', b"")])
def test_space_between_records_is_not_kept_in_memory(around):
    """There may be gigabytes of it: it is legal, and must not fill the memory."""
    before, after = around
    splitter = small()
    list(splitter.feed(b'{"source":"s","data":[' + before))
    gap = b" \n\t\r" * 16384
    passed = [b"".join(splitter.feed(gap)) for _ in range(50)]
    assert passed[1:] == [gap] * 49
    rest = b"".join([*splitter.feed(after + b"]}"), *splitter.close()])
    assert rest == after + b"]"
    assert splitter.split().bytes == 2 + len(before + after) + 50 * len(gap)


def test_records_of_an_envelope_are_yielded_as_soon_as_they_are_complete():
    """Nothing is held back but the record that has not ended yet, with the comma before it."""
    splitter = splitter_of(BIG, BIG)
    stored = b"".join(splitter.feed(b'{"data":[{"a":1},{"b":2},{"c":'))
    assert stored == b'[{"a":1},{"b":2}'


def test_records_may_be_any_json_values():
    body = b'{"source":"s","data":[null,1.5,"x]",[1,[2]],true,-0,1E+2,{},"\\ud800"]}'
    outcome = same_for_all(small, body)
    assert isinstance(outcome, Outcome)
    assert outcome.stored == body[21:-1]
    assert outcome.split.records == 9


OPTION_LIKE = (
    *(
        "dryRun",
        "dryrun",
        "dry_run",
        "DRY-RUN",
        "dry run",
        "dry",
        "dryRunMode",
        "isDryRun",
        "drRun",
    ),
    *("delimiter", "delimeter", "delim", "map", "mapping", "Map", "notify", "notifyUrl", "noitfy"),
)
METADATA = ("", "date", "note", "meta", "name", "data2", "sources", "version", "type", "source_id")


@pytest.mark.parametrize("key", OPTION_LIKE)
@pytest.mark.parametrize("value", [b"true", b'"x"', b"[1]", b'{"a":1}'])
@pytest.mark.parametrize("order", [1, -1])
def test_a_key_that_resembles_an_option_is_rejected(key, value, order):
    members = [json.dumps(key).encode() + b":" + value, b'"source":"s","data":[1]']
    body = b"{" + b",".join(members[::order]) + b"}"
    assert same_for_all(small, body) == RejectedBody("unknown_option", None, None)


@pytest.mark.parametrize("key", METADATA)
def test_other_keys_are_accepted_as_metadata(key):
    body = b'{%b:true,"source":"s","data":[1],"x":{"dryRun":1}}' % json.dumps(key).encode()
    assert isinstance(same_for_all(small, body), Outcome)


def test_a_key_of_a_record_may_resemble_an_option():
    body = b'{"source":"s","data":[{"dryRun":true,"map":1}]}'
    assert isinstance(same_for_all(small, body), Outcome)


def test_a_key_that_resembles_an_option_is_found_after_many_keys():
    keys = b"".join(b'"%08x":1,' % key for key in range(5000))
    body = b'{"source":"s","data":[],' + keys + b'"dry_run":1}'
    assert run(small(), [body]) == RejectedBody("unknown_option", None, None)


@pytest.mark.parametrize("bug", [ValueError, TypeError, KeyError])
@pytest.mark.parametrize("body", [b'{"source":"s"', b'{"source":"s","data":[]}'])
def test_a_bug_of_the_service_is_not_a_malformed_body(monkeypatch, bug, body):
    """Of what ijson raises, only that counts which a body can cause."""
    splitter = small()
    monkeypatch.setattr(splitter._envelope, "_parser", Mock(send=Mock(side_effect=bug("a bug"))))
    with pytest.raises(bug, match="a bug"):
        list(splitter.feed(body))


def test_a_bug_in_close_is_not_a_malformed_body(monkeypatch):
    splitter = small()
    list(splitter.feed(b'{"source":"s","data":[]}'))
    monkeypatch.setattr(envelope.json, "loads", Mock(side_effect=ValueError("a bug")))
    with pytest.raises(ValueError, match="a bug"):
        list(splitter.close())
