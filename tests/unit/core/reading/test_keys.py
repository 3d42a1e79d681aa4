"""Plans of JSON records: which keys hold what."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MalformedInputError
from core.reading.keys import plan_objects
from core.reading.options import ReadingOptions
from core.reading.plan import Field, FieldPlaces

DETECT = ReadingOptions()
PLAIN = FieldPlaces(name=(("name",),), email=(("email",),))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"name": "Ada", "email": "a@b.co"}, PLAIN),
        ({}, PLAIN),
        ({"phone": 1}, PLAIN),
        ({"Name": "Ada", "E-Mail": "a@b.co"}, FieldPlaces((("Name",),), email=(("E-Mail",),))),
        (
            {"firstName": "A", "lastName": "L", "mail": "a@b.co"},
            FieldPlaces((), (("firstName",),), (("lastName",),), (("mail",),)),
        ),
        (
            {"properties": {"firstname": "A", "lastname": "L", "email": "a@b.co"}},
            FieldPlaces(
                (),
                (("properties", "firstname"),),
                (("properties", "lastname"),),
                (("properties", "email"),),
            ),
        ),
        (
            {"name": "ada", "real_name": "Ada L", "owner": {"email": "x@y.co"}},
            FieldPlaces((("real_name",),), email=(("email",),)),
        ),
        (
            {"displayName": "Ada L", "emails": [{"value": "a@b.co"}]},
            FieldPlaces((("displayName",),), email=(("emails",),)),
        ),
    ],
)
def test_keys_are_recognised(record, expected):
    assert plan_objects([record], DETECT).places == expected


def test_a_wrapper_that_is_null_in_some_record_is_not_a_key_of_its_own():
    wrapped = {"properties": {"name": "Ada", "email": "a@b.co"}}
    found = plan_objects([wrapped, {"properties": None}, wrapped], DETECT)
    assert found.places == FieldPlaces((("properties", "name"),), email=(("properties", "email"),))
    assert found.warnings == ()


def test_a_client_may_name_a_path_that_comes_later():
    options = ReadingOptions(mapping=(("a.b", Field.EMAIL), ("title", Field.NAME)))
    found = plan_objects([{"email": "x@y.co", "title": "Ada"}], options)
    assert found.places == FieldPlaces((("title",),), email=(("a", "b"),))


def test_two_unknown_keys_with_addresses_are_a_question():
    with pytest.raises(MalformedInputError) as caught:
        plan_objects([{"x1": "a@b.co", "x2": "c@d.co"}], DETECT)
    assert caught.value.code == "email_column_unclear"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


@given(st.lists(st.dictionaries(st.text(max_size=9), values, max_size=5), max_size=5))
def test_any_records_have_a_plan_or_a_question(records):
    assert outcome(records) in {None, "email_column_unclear"}


def outcome(records: list[dict[str, Any]]) -> str | None:
    """The code of the problem of records, None if they have a plan."""
    try:
        assert plan_objects(records, DETECT).places.used
    except MalformedInputError as error:
        return error.code
    return None
