import json
import threading
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.errors import MalformedInputError
from core.records import objects
from core.records.models import Skipped
from core.records.parsing import CsvParser, JsonParser, NdjsonParser, parser_for
from core.records.rejection_reasons import Reason
from core.states import Format
from tests.support.plans import NAME_AND_EMAIL, OBJECTS, rows_plan


def parse(parser, data, chunk=None):
    step = chunk or max(1, len(data))
    runs = [
        run for at in range(0, len(data), step) for run in parser.scanner.feed(data[at : at + step])
    ]
    return runs + list(parser.scanner.close())


def fields(parser, data, chunk=None):
    """The fields of each record, or the code of its rejection."""
    results = [
        parser.candidates(record) for run in parse(parser, data, chunk) for record in run.records
    ]
    return [
        result.code
        if isinstance(result, Reason | Skipped)
        else (next(iter(result.names), None), next(iter(result.emails), None))
        for result in results
    ]


def json_fields(data, chunk=None):
    return fields(JsonParser(OBJECTS, 0), data, chunk)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (b'{"name":"Ada","email":"a@b.co"}', ("Ada", "a@b.co")),
        (b'{"email":"a@b.co"}', (None, "a@b.co")),
        (b'{"name":null,"other":[{"name":"x"}]}', (None, None)),
        (b'{"name":"x","name":"y"}', ("y", None)),
        (b'{"n\\u0061me":"x"}', ("x", None)),
        (b"{}", (None, None)),
        (b"[]", "not_an_object"),
        (b'["Ada"]', "not_an_object"),
        (b'"Ada"', "not_an_object"),
        (b"17", "not_an_object"),
        (b"-1.5e300", "not_an_object"),
        (b"9" * 5000, "not_an_object"),
        (b"null", "not_an_object"),
        (b"true", "not_an_object"),
        (b'{"name":"\\ud800"}', ("\ud800", None)),
        (b'{"name":"\\ud83d\\ude00"}', ("\U0001f600", None)),
        (b'{"x":"\\udc00","name":"Ada"}', ("Ada", None)),
        (b'{"x":1e999,"name":"Ada"}', ("Ada", None)),
        (b'{"x":%b,"name":"Ada"}' % (b"9" * 5000), ("Ada", None)),
    ],
)
def test_one_odd_record_among_good_ones(record, expected):
    good = b'{"name":"Eve"}'
    data = b", ".join([good, record, good])
    assert json_fields(data) == [("Eve", None), expected, ("Eve", None)]
    assert json_fields(data, chunk=7) == [("Eve", None), expected, ("Eve", None)]


@pytest.mark.parametrize("number", [b"1", b"9" * 5000, b"1e999", b"-0.5"])
def test_a_number_never_becomes_text(number):
    ((name, _),) = json_fields(b'{"name":%b,"x":"\\ud800"}' % number)
    assert not isinstance(name, str)


def test_texts_are_the_records_as_they_came():
    records = [b'{"name" : "A"}', b"[1, 2]", b'{"name":"\\ud800"}', b" ".join([b"{", b"}"])]
    parser = JsonParser(OBJECTS, 0)
    runs = parse(parser, b" , ".join(records) + b" ")
    assert [text for run in runs for text in parser.texts(run)] == records


def test_bytes_that_are_not_records_are_malformed():
    with pytest.raises(MalformedInputError):
        json_fields(b'{"name":"Ada"},,')


def test_deeply_nested_records_are_parsed_in_a_thread():
    deep = b'{"name":' + b"[" * 600 + b"]" * 600 + b"}"
    found = []
    thread = threading.Thread(target=lambda: found.extend(json_fields(deep + b',{"name":"Ada"}')))
    thread.start()
    thread.join()
    assert len(found) == 2
    assert found[1] == ("Ada", None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
records = st.lists(
    st.fixed_dictionaries(
        {}, optional={"name": json_values, "email": json_values, "x": json_values}
    )
    | json_values,
    max_size=8,
)


@given(records, st.booleans(), st.integers(1, 40))
def test_json_parser_agrees_with_the_json_module(values, ascii_only, chunk):
    data = json.dumps(values, ensure_ascii=ascii_only)[1:-1].encode("utf-8", "surrogatepass")
    found = json_fields(data, chunk)
    assert len(found) == len(values)
    for value, seen in zip(values, found, strict=True):
        if not isinstance(value, dict):
            assert seen == "not_an_object"
        else:
            for key, found_value in zip(("name", "email"), seen, strict=True):
                expected = value.get(key)
                if not isinstance(expected, list | dict):
                    assert found_value == expected


@given(records, st.booleans(), st.integers(1, 40))
def test_ndjson_parser_agrees_with_json_parser(values, ascii_only, chunk):
    written = [json.dumps(value, ensure_ascii=ascii_only) for value in values]
    array = ",".join(written).encode("utf-8", "surrogatepass")
    lines = "\n".join(written).encode("utf-8", "surrogatepass")
    assert fields(NdjsonParser(OBJECTS, 0), lines, chunk) == json_fields(array)


@pytest.mark.parametrize("record", [b"[]", b"17", b"null", b"9" * 5000, b'{"x":1e999}', b"{ }"])
def test_one_odd_line_among_good_ones(record):
    data = b'{"name":"Eve"}\n \n%b\r\n{"name":"Eve"}\n' % record
    for chunk in (7, None):
        first, odd, last = fields(NdjsonParser(OBJECTS, 0), data, chunk)
        assert first == last == ("Eve", None)
        assert odd == ((None, None) if record.startswith(b"{") else "not_an_object")


def test_texts_of_lines_are_the_records_as_they_came():
    parser = NdjsonParser(OBJECTS, 9)
    runs = parse(parser, b'\n{"name" : "A"}\r\n  [1, 2]\n\n{}')
    assert [text for run in runs for text in parser.texts(run)] == [
        b'{"name" : "A"}', b"[1, 2]", b"{}",
    ]  # fmt: skip


PLAIN = [b'{"name":"A","phone":{"x":"}"},"name":"B"}', b'{"email":"x","tel\\u00e9":[{}],"phone":1}']
ODD = [b"17", b'{"a":"\\ud800"}', b"[{}]", b'{"last":9}']


@pytest.mark.parametrize("kind", [JsonParser, NdjsonParser])
def test_ignored_fields_returns_names_that_are_not_imported(kind):
    parser, between = kind(OBJECTS, 0), b", " if kind is JsonParser else b"\n"
    [run] = [run for run in parse(parser, between.join(PLAIN) + b"\n") if run.records]
    assert list(parser.ignored_fields(run, 1)) == ["phone"]
    assert list(parser.ignored_fields(run, 9)) == ["phone", "tel\u00e9", "phone"]


@pytest.mark.parametrize("kind", [JsonParser, NdjsonParser])
def test_records_that_are_not_objects_have_no_ignored_fields(kind):
    parser, between = kind(OBJECTS, 0), b"," if kind is JsonParser else b"\n"
    runs = [run for run in parse(parser, between.join(ODD)) if run.records]
    assert [name for run in runs for name in parser.ignored_fields(run, 9)] == ["last"]
    assert all(set(parser.ignored_fields(run, 1)) <= {"last"} for run in runs)


def test_rows_have_no_ignored_fields_since_the_header_has_them():
    parser = CsvParser(NAME_AND_EMAIL, 0)
    [run] = parse(parser, b"a,b\n")
    assert list(parser.ignored_fields(run, 9)) == []


def test_first_and_last_names_are_joined_by_columns_and_by_fields():
    layout = rows_plan(3, None, 2, first_name=1, last_name=0, delimiter=";")
    parser = CsvParser(layout, 0)
    [run] = parse(parser, b"Lovelace;Ada;a@b.co\n;Eve;\nByron;;x\nKing ; Ada;\n")
    names, emails, suspects, *_ = parser.columns(run)
    assert names[:3] == ["Ada Lovelace", "Eve", "Byron"]
    assert (emails, suspects) == (["a@b.co", "", "x", ""], {3})


def test_rows_need_the_fields_of_the_header():
    data = b'Ada,ada@b.co\r\nonly\r\n"x, y","a ""b"" c",z\r\n\r\n"Eve\nEve",\r\n'
    found = fields(CsvParser(NAME_AND_EMAIL, 0), data)
    assert found == [
        ("Ada", "ada@b.co"), ("only", None), "wrong_field_count", ("Eve\nEve", ""),
    ]  # fmt: skip


def test_a_field_without_a_column_is_none():
    found = fields(CsvParser(rows_plan(2, None, 1), 0), b"x,ada@b.co\n")
    assert found == [(None, "ada@b.co")]


def test_texts_of_rows_are_their_fields():
    parser = CsvParser(NAME_AND_EMAIL, 100)
    runs = parse(parser, 'a,b\r\n\n"c\nd",é"x\nf'.encode())
    texts = [text for run in runs for text in parser.texts(run)]
    assert [json.loads(text) for text in texts] == [["a", "b"], ["c\nd", 'é"x'], ["f"]]


REJECTED = rows_plan(6, 4, 5, ("record", "code", "message", "hint", "name", "email"))


def test_cells_of_a_rejections_file_are_restored():
    data = b"1,c,m,h,'=Ada,'+a@b.co\n2,c,m,h,O'Neil,o'neil@b.co\n"
    expected = [("=Ada", "+a@b.co"), ("O'Neil", "o'neil@b.co")]
    parser = CsvParser(REJECTED, 0)
    assert fields(parser, data) == expected
    (run,) = parse(CsvParser(REJECTED, 0), data)
    names, emails, *_ = parser.columns(run)
    assert list(zip(names, emails, strict=True)) == expected


def test_cells_of_other_files_are_left_as_they_are():
    other = replace(REJECTED, header=("id", *REJECTED.header[1:]))
    assert fields(CsvParser(other, 0), b"1,c,m,h,'=Ada,'+a@b.co\n") == [("'=Ada", "'+a@b.co")]


def test_parser_for_returns_the_parser_of_the_format():
    assert isinstance(parser_for(Format.JSON, OBJECTS, 0), JsonParser)
    assert isinstance(parser_for(Format.NDJSON, OBJECTS, 0), NdjsonParser)
    assert isinstance(parser_for(Format.CSV, NAME_AND_EMAIL, 0), CsvParser)


@pytest.mark.parametrize("bug", [ValueError, KeyError])
def test_an_unexpected_error_of_json_is_not_a_rejection(monkeypatch, bug):
    monkeypatch.setattr(objects.json, "loads", Mock(side_effect=bug("a bug")))
    with pytest.raises(bug, match="a bug"):
        objects._decode_leniently(b'{"name":"\\ud800"}')
