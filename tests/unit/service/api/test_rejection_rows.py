"""Rejections in JSON and as rows of a file."""

import csv
import json
from io import StringIO

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.formats.formula_escaping import unescape_formulas
from core.reading.plan import FieldPlaces, ReadingPlan
from core.rejection_objects import Rejection
from service.api.rejection_rows import KeyColumns, as_json, columns_of, csv_header, csv_rows
from tests.support.plans import OBJECTS, rows_plan

PLAN = rows_plan(3, 0, 1, ("Name", "E-Mail", "Phone"))


def row(content, record=1, code="email_invalid"):
    return Rejection(record, code, "m", content)


def shown(content, plan=None):
    """The content, and the hint, as JSON has them."""
    rows = [row(content)]
    (one,) = json.loads(as_json(rows, 9, columns_of(plan and plan.to_json(), rows))[0])[
        "rejections"
    ]
    return one["content"], one["hint"]


def table(rows, plan=None):
    """The header and the rows of the file, behind what is the same in all of them."""
    columns = columns_of(plan and plan.to_json(), rows)
    text = (csv_header(columns) + csv_rows(rows, columns)).decode()
    assert text.startswith("\ufeff")
    found = list(csv.reader(StringIO(text[1:], newline=""), strict=True))
    assert found[0][:4] == ["record", "code", "message", "hint"]
    return [line[4:] for line in found]


def test_a_row_has_the_columns_of_its_file():
    content = '["Ada","ada@gmial,com","+49 170"]'
    expected = {"Name": "Ada", "E-Mail": "ada@gmial,com", "Phone": "+49 170"}
    assert shown(content, PLAN) == (expected, "ada@gmail.com")
    assert table([row(content)], PLAN) == [
        ["Name", "E-Mail", "Phone", "content"],
        ["Ada", "ada@gmial,com", "'+49 170", ""],
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('["Lovelace"," Ada","ada@example.com","1"]', "Lovelace, Ada,ada@example.com,1"),
        ('["Ada","ada@exam', '["Ada","ada@exam'),
        ("Ada,ada@exam", "Ada,ada@exam"),
        ("[1,2,3]", "[1,2,3]"),
        ("", ""),
    ],
)
def test_a_row_that_does_not_fit_is_shown_as_it_came(content, text):
    assert shown(content, PLAN) == (text, None)
    assert table([row(content)], PLAN)[1] == ["", "", "", text]


def test_a_short_row_is_padded_as_in_the_import():
    assert shown('["Ada"]', PLAN)[0] == {"Name": "Ada", "E-Mail": "", "Phone": ""}


def test_columns_without_names_are_numbered():
    plan = msgspec.structs.replace(rows_plan(2, 0, 1), has_header=False)
    assert shown('["Ada","x"]', plan) == ({"1": "Ada", "2": "x"}, None)
    assert table([row('["Ada","x"]')], plan)[0] == ["1", "2", "content"]


def test_without_a_header_rows_have_no_columns():
    bare = rows_plan(3, 0, 1)
    assert shown('["a","b","c"]', bare) == ("a,b,c", None)
    assert table([row('["a","b","c"]')], bare) == [["content"], ["a,b,c"]]


def test_names_that_are_there_twice_are_told_apart():
    twice = rows_plan(4, 0, None, ("name", "x", "x", "x (2)"))
    expected = {"name": "1", "x": "2", "x (2)": "3", "x (2) (2)": "4"}
    assert shown('["1","2","3","4"]', twice)[0] == expected
    assert table([row('["1","2","3","4"]')], twice)[0][:-1] == list(twice.header)


def test_a_file_of_rejections_that_is_rejected_again_gets_no_more_columns():
    header = ("record", "code", "message", "hint", "name", "email", "content")
    again = rows_plan(len(header), 4, 5, header)
    content = """["7","c","m","","'=Ada","x","whole"]"""
    assert shown(content, again)[0] == {"name": "=Ada", "email": "x"}
    assert table([row(content)], again) == [
        ["name", "email", "content"],
        ["'=Ada", "x", ""],
    ]


def test_objects_have_the_columns_of_all_of_them():
    rows = [
        row('{"email": "a@b", "phone": 17.50, "x": null}'),
        row('{"name": "A", "tags": ["a", {"b": 1e999}], "on": true}'),
    ]
    assert table(rows) == [
        ["name", "email", "phone", "x", "tags", "on", "content"],
        ["", "a@b", "17.50", "", "", "", ""],
        ["A", "", "", "", '["a", {"b": 1e999}]', "true", ""],
    ]


def test_what_later_objects_have_beside_is_not_lost():
    columns = KeyColumns.of(['{"name": "x"}'], OBJECTS)
    content = '{"email": "x", "phone": "1"}'
    (line,) = csv.reader(StringIO(csv_rows([row(content)], columns).decode()))
    assert line[4:] == ["", "x", content]


@pytest.mark.parametrize(
    "content",
    [
        "5",
        '"Ada"',
        "null",
        "[1]",
        '{"name": "Ada", "email": "x',
        '{"a":' * 1000 + "1",
        '{"name": "\\ud800"}',
        "",
        "{",
    ],
)
def test_what_is_no_object_is_shown_as_text(content):
    assert shown(content) == (content, None)
    assert table([row(content)])[1][:2] == ["", ""]
    assert unescape_formulas(table([row(content)])[1][-1]) == content


@pytest.mark.parametrize("value", ['{"first": "Ada"}', '["Ada"]'])
def test_a_field_that_is_no_single_value_does_not_become_one(value):
    content = f'{{"name": {value}, "email": "ada@example.com"}}'
    assert shown(content)[0] == json.loads(content)
    assert table([row(content)])[1] == ["", "", content]


def test_the_keys_of_the_plan_come_first():
    places = FieldPlaces(name=(("Full Name",),), email=(("mail",),))
    plan = ReadingPlan(places=places)
    content = '{"id": 1, "mail": "ada@gmial.com"}'
    assert table([row(content)], plan)[0] == ["Full Name", "mail", "id", "content"]
    assert shown(content, plan)[1] == "ada@gmail.com"


def test_an_object_is_shown_as_it_came():
    content = '{"b" :1e999, "name":"\\u00e9", "n": 12345678901234567890123, "a":{}}'
    rows = [row(content)]
    assert content.encode() in as_json(rows, 9, columns_of(None, rows))[0]
    assert table(rows)[1] == ["\u00e9", "", "1e999", "12345678901234567890123", "{}", ""]


def test_a_page_tells_where_the_next_one_begins():
    numbers = {3: "1", 5: "2", 8: "3"}
    rows = [row(content, number, "not_an_object") for number, content in numbers.items()]
    body, cursor = as_json(rows, 2, columns_of(None, rows))
    assert cursor == "5"
    assert json.loads(body) == {
        "rejections": [
            {"record": 3, "code": "not_an_object", "message": "m", "hint": None, "content": "1"},
            {"record": 5, "code": "not_an_object", "message": "m", "hint": None, "content": "2"},
        ],
        "next": "5",
    }
    assert json.loads(as_json([], 9, columns_of(None, []))[0]) == {"rejections": [], "next": None}


def test_only_an_address_that_was_refused_has_a_hint():
    content = '{"name": "Ada", "email": "ada@gmial.com"}'
    rows = [row(content, code="name_too_long")]
    (one,) = json.loads(as_json(rows, 9, columns_of(None, rows))[0])["rejections"]
    assert one["hint"] is None
    assert shown(content)[1] == "ada@gmail.com"
    assert shown('{"email": 5}')[1] is None


def test_keys_are_bounded():
    many = json.dumps({f"k{n}": n for n in range(300)} | {"x" * 201: 1})
    header, line = table([row(many)])
    assert len(header) == 101
    assert header[:3] == ["name", "email", "k0"]
    assert line[-1] == many


CONTENTS = st.text(max_size=30) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(st.characters(codec=None), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "email", "=x", "\0"]), inner, max_size=3)
    ),
    max_leaves=5,
).map(json.dumps)


@given(st.lists(CONTENTS, max_size=5), st.sampled_from([None, PLAN]))
def test_any_content_makes_a_file_and_a_page(contents, plan):
    rows = [row(content, number) for number, content in enumerate(contents, 1)]
    lines = table(rows, plan)
    assert len(lines) == len(rows) + 1
    assert len({len(line) for line in lines}) == 1
    columns = columns_of(plan and plan.to_json(), rows)
    assert len(json.loads(as_json(rows, 999, columns)[0])["rejections"]) == len(rows)
