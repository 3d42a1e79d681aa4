"""Where the records of a JSON text are, by its beginning."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MalformedInputError
from core.reading.json_structure import find_structure, is_rival
from core.reading.sniffing import Kind
from tests.support import bodies

ADA, BOB = {"name": "Ada"}, {"name": "Bob"}


def structure_of(text: str, default: Kind = Kind.JSON_ENVELOPE, *, may_be_record: bool = True):
    return find_structure(text, default, may_be_record=may_be_record)


ENVELOPES = [
    ({"data": [ADA]}, ("data",)),
    ({"source": "s", "data": []}, ("data",)),
    ({"data": [1, 2]}, ("data",)),
    ({"users": [ADA], "data": [BOB], "groups": [{}]}, ("data",)),
    ({"users": [ADA]}, ("users",)),
    ({"total": 1, "value": [ADA], "@odata.nextLink": "x"}, ("value",)),
    ({"users": [ADA], "tags": ["x"], "groups": []}, ("users",)),
    ({"users": [ADA], "_links": [{"rel": "self"}], "errors": [{}]}, ("users",)),
    ({"links": [{"rel": "self"}]}, ("links",)),
    ({"users": []}, ("users",)),
    ({"data": {"items": [ADA]}}, ("data", "items")),
    ({"data": {"items": []}}, ("data", "items")),
    ({"data": [1], "users": [ADA]}, ("users",)),
    ({"_embedded": {"contacts": [ADA]}, "page": {"size": 1}}, ("_embedded", "contacts")),
    ({"responseHeader": {"status": 0}, "response": {"docs": [ADA]}}, ("response", "docs")),
    ({"hits": {"total": 1, "hits": [{"_source": ADA}]}, "_shards": {}}, ("hits", "hits")),
    ({"result": {"fields": [{"id": "a"}], "records": [ADA]}}, ("result", "records")),
    ({"data": {"users": {"nodes": [ADA]}}}, ("data", "users", "nodes")),
    ({"a": {"data": [ADA], "more": [BOB]}}, ("a", "data")),
    ({"users": [ADA], "meta": {"filters": [{"a": 1}]}}, ("users",)),
    ({}, ("data",)),
    ({"source": "s", "data": {}}, ("data",)),
    ({"source": "s", "dat": 1}, ("data",)),
]


@pytest.mark.parametrize(("value", "path"), ENVELOPES)
@pytest.mark.parametrize("indent", [None, 2])
def test_the_array_of_records_is_found_in_an_envelope(value, path, indent):
    found = structure_of(json.dumps(value, indent=indent))
    assert (found.kind, found.path) == (Kind.JSON_ENVELOPE, path)
    for key in path:
        value = value.get(key, [])
    assert list(found.records) == [each for each in value if isinstance(each, dict)]


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"users": [ADA], "groups": [{}]}, ['"users"', '"groups"']),
        ({"a": {"x": [ADA]}, "b": {"x": [BOB]}}, ['"a.x"', '"b.x"']),
        ({"k" * 100: [ADA], "b": [{}]}, ['"' + "k" * 60 + '"', '"b"']),
        ({f"k{n}": [ADA] for n in range(9)}, ['"k0"', '"k4", ...']),
    ],
)
def test_several_arrays_are_ambiguous(value, named):
    with pytest.raises(MalformedInputError) as caught:
        structure_of(json.dumps(value))
    assert caught.value.code == "records_ambiguous"
    assert all(name in caught.value.detail for name in named)


def test_several_arrays_before_the_end_of_a_sample_may_be_followed_by_data():
    body = json.dumps({"source": "s", "users": [ADA], "groups": [BOB], "data": [ADA]})
    for end in (body.index('"data"'), body.index('"data"') + 8):
        assert structure_of(body[:end], may_be_record=False).path == ("data",)
        with pytest.raises(MalformedInputError, match="Several arrays"):
            structure_of(body[:end], may_be_record=True)  # a file of another program


EXPORT = [
    {"type": "header", "version": "5.2.1", "comment": "Export to JSON plugin for PHPMyAdmin"},
    {"type": "database", "name": "shop"},
    {"type": "table", "name": "contacts", "data": [ADA, BOB]},
]


def test_a_table_that_phpmyadmin_has_exported():
    found = structure_of(json.dumps(EXPORT), Kind.JSON_ARRAY)
    assert (found.kind, found.path) == (Kind.JSON_ENVELOPE, (2, "data"))
    assert list(found.records) == [ADA, BOB]
    with pytest.raises(MalformedInputError) as caught:
        structure_of(json.dumps([*EXPORT, EXPORT[2]]))
    assert caught.value.code == "records_ambiguous"


LINE = '{"name": "Ada"}'
PRETTY = '{\n  "name": "Ada"\n}'
SHAPES = [
    ("[]", Kind.JSON_ARRAY),
    (f" [{LINE}, {LINE}", Kind.JSON_ARRAY),
    ("[1, 2]", Kind.JSON_ARRAY),
    (f"{LINE}\n{LINE}\n", Kind.NDJSON),
    (f"\n\n{LINE} \r\n\n{LINE}", Kind.NDJSON),
    (f"{LINE}{LINE}", Kind.JSON_SEQUENCE),
    (f"{LINE},\n{LINE}\n", Kind.JSON_SEQUENCE),
    (f"{LINE}\n,{LINE}\n", Kind.NDJSON),
    (f"{PRETTY}\n{PRETTY}\n", Kind.JSON_SEQUENCE),
    (f"{PRETTY},\n{PRETTY[:9]}", Kind.JSON_SEQUENCE),
    ('{"source": "s", "data": []}\n{"source": "s", "data": []}\n', Kind.JSON_ENVELOPE),
    (LINE, Kind.JSON_ENVELOPE),
    (LINE[:-1], Kind.JSON_ENVELOPE),
    ('{"email": "ada@example.com"}', Kind.JSON_SEQUENCE),
    ('{"email": "ada@example.com"},\n', Kind.JSON_SEQUENCE),
    ('{"data": 1, "email": "ada@example.com"}', Kind.JSON_ENVELOPE),
    ('{"email": "ada@example.com", "tags": [{}]}', Kind.JSON_ENVELOPE),
    ('{"a": {"email": "ada@example.com"}}', Kind.JSON_ENVELOPE),
    ("name,email\n", Kind.JSON_ENVELOPE),
    ("", Kind.JSON_ENVELOPE),
]


@pytest.mark.parametrize(("text", "kind"), SHAPES)
def test_the_kind_of_a_text_that_should_be_an_envelope(text, kind):
    assert structure_of(text).kind is kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"{LINE}\n{LINE}\n", Kind.NDJSON),
        (LINE, Kind.NDJSON),
        (f"{LINE}\n[1]\n", Kind.NDJSON),
        ('{"a": [{}], "b": [{}]}\n', Kind.NDJSON),
        ('{"a": [{}', Kind.NDJSON),
        ("[1]\n[2]\n", Kind.NDJSON),
        ("[{}]\n[{}]\n", Kind.NDJSON),
        (f"[{LINE}]\n", Kind.JSON_ARRAY),
        (f"[\n{LINE},\n{LINE}\n]\n", Kind.JSON_ARRAY),
        ("1\n2\n", Kind.NDJSON),
        (f"{LINE},\n{LINE},\n", Kind.JSON_SEQUENCE),
        (f"{PRETTY}\n{PRETTY}\n", Kind.JSON_SEQUENCE),
        ("{'a': 1}\n{}\n", Kind.NDJSON),
        (PRETTY, Kind.JSON_SEQUENCE),
        (f"{LINE},", Kind.JSON_SEQUENCE),
        ('{\n "users": [{}]}', Kind.JSON_ENVELOPE),
        ('{\n "users": [\n {', Kind.JSON_ENVELOPE),
        ("", Kind.NDJSON),
    ],
)
def test_the_kind_of_a_text_that_should_be_lines(text, kind):
    assert structure_of(text, Kind.NDJSON).kind is kind


def test_a_body_is_not_a_single_record():
    text = '{"source": "s", "email": "ada@example.com"}'
    assert structure_of(text, may_be_record=False).kind is Kind.JSON_ENVELOPE


def test_records_of_lines_and_sequences():
    lines = f'{LINE}\n[1]\n{{"name": \n"x"\n{{"name": "Bob"}}\n{{"na'
    assert list(structure_of(lines, Kind.NDJSON).records) == [ADA, BOB]
    sequence = f'{PRETTY},{{"name": "Bob"}}\n{{"na'
    assert list(structure_of(sequence).records) == [ADA, BOB]


def test_records_of_a_text_that_is_cut():
    text = json.dumps({"users": [ADA, BOB, {"name": "Eve"}]})
    for end in range(text.index("Eve"), text.index("Eve") + 5):
        assert list(structure_of(text[:end]).records) == [ADA, BOB]


@given(data=st.data(), body=bodies.bodies())
def test_any_beginning_of_a_body_of_ours_is_one(data, body):
    text = body.raw.decode("utf-8-sig")
    beginning = text[: data.draw(st.integers(0, len(text)))]
    found = structure_of(beginning, may_be_record=False)
    assert found.kind is Kind.JSON_ENVELOPE
    assert found.path == ("data",) or len(beginning.encode()) <= body.array_at


@pytest.mark.parametrize(
    "text",
    [
        *('{"a":' * 20_000, "[" * 60_000, '{"a":[' * 10_000, '{"n":' + "9" * 60_000),
        *('{"a":1,' * 9000, "[{}," * 15_000, '{"a":{},' * 8000),
    ],
)
def test_hostile_texts_are_only_read_as_far_as_they_can_be(text):
    structure_of(text)


@pytest.mark.parametrize(
    ("path", "chosen", "rival"),
    [
        (("b",), ("a",), True),
        (("a",), ("a",), False),
        (("b",), ("data",), False),
        (("b", "c"), ("a",), False),
        (("b", "c"), ("a", "c"), True),
        (("b",), ("a", "c"), True),
        (("_links",), ("a",), False),
        ((3, "data"), (2, "data"), True),
    ],
)
def test_rivals_of_the_chosen_array(path, chosen, rival):
    assert is_rival(path, chosen) is rival
