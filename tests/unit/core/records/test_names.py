"""Names: which of several, what is repaired, what stands for none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.records.models import Candidates
from core.records.names import read_name, repair_name
from core.records.plain import unusual_names
from core.records.rejection_reasons import NAME_NOT_TEXT, NAME_TOO_LONG, UNSTORABLE_TEXT
from tests.support.resource_usage import seconds


def halves(first, last, *, family_name_first=False):
    """The name of a record with two halves, and its warnings."""
    return read_name(Candidates((), (first,), (last,)), family_name_first=family_name_first)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("\u201cAda L\u201d", "Ada L"),
        ("\u200f\u05e0\u05d5\u05e2\u05d4\u200f", "\u05e0\u05d5\u05e2\u05d4"),
        ("Ada\r\nL", "Ada L"),
        ("J\u00c3\u00bcrgen Gr\u00c3\u00bcnwald", "Jürgen Grünwald"),
        ("'Abd al-Rahman", "'Abd al-Rahman"),
        ("Nora \"Nell\" Quill", 'Nora "Nell" Quill'),
        ("NIÑO", "NIÑO"),
        ("Ågård", "Ågård"),
    ],
)  # fmt: skip
def test_names_are_repaired_where_nothing_is_lost(text, name):
    assert repair_name(text) == name


@pytest.mark.parametrize(
    ("first", "last", "name", "warnings"),
    [
        ("Ada", "King", "Ada King", []),
        ("NULL", "King", "King", ["name_dropped"]),
        ("\\N", "King", "King", ["name_dropped"]),
        ("Ada", "\\N", "Ada", ["name_dropped"]),
        ("Ada", "n/a", "Ada", ["name_dropped"]),
        ("ada", "null", "ada", ["name_dropped"]),
        ("null", "null", "", ["name_dropped"]),
        ("Null", "Null", "", ["name_dropped"]),
        ("", "NULL", "", ["name_dropped"]),
        ("", "Null", "Null", []),
        ("Chris", "Null", "Chris Null", []),
        ("CHRIS", "NULL", "CHRIS NULL", []),
        ("Chris", "NULL", "Chris", ["name_dropped"]),
        ('"Ada"', '"King"', "Ada King", ["name_repaired"]),
        ('"Ada', 'King"', "Ada King", ["name_repaired"]),
        ("Ada", '"King"', "Ada King", ["name_repaired"]),
        ("Ada\n", "King", "Ada King", []),
        ("Ada\nL", "King", "Ada L King", ["name_repaired"]),
        ("J\u00c3\u00bcrgen", "King", "J\u00fcrgen King", ["name_repaired"]),
        ("J?rgen", "King", "J?rgen King", ["name_broken"]),
    ],
)
def test_halves_are_read_each_by_itself(first, last, name, warnings):
    assert halves(first, last) == (name, warnings)


def test_the_order_of_halves_is_that_of_the_plan():
    assert halves("\u00c1gnes", "Sz\u0171cs", family_name_first=True) == (
        "Sz\u0171cs \u00c1gnes",
        [],
    )


def test_the_first_half_that_stands_for_something_counts():
    found = read_name(Candidates((), ("", "Ada"), ("NULL", "King")), family_name_first=False)
    assert found == ("Ada King", ["name_dropped"])


def test_names_that_cannot_be_stored_have_a_reason():
    assert halves("Ada", ["King"]) is NAME_NOT_TEXT
    assert halves("a" * 600, "b" * 600) is NAME_TOO_LONG
    assert halves("Ada", "a\0b") is UNSTORABLE_TEXT


NASTY = st.text(alphabet="aB \n\t\u200b\u201c\u201d\"'=?\u00c3\u00bc\ufffd\0", max_size=8)
SOME = st.sampled_from(["Ada", "NULL", "\\N", "null", "Null", "n/a", "J\u00fcrgen", ""])


@given(st.lists(NASTY | SOME, min_size=1, max_size=5))
def test_names_that_are_not_unusual_are_stored_as_they_are(names):
    unusual = unusual_names(names)
    for at, name in enumerate(names):
        if at not in unusual:
            assert read_name(Candidates((name,)), family_name_first=False) == (name, [])


@given(
    st.lists(st.sampled_from(["Ada", "S\u00f8ren K", "JO\u00c3O", "O'Neil", "a-b. c"]), max_size=5)
)
def test_usual_names_are_not_unusual(names):
    assert unusual_names(names) == set()


@pytest.mark.parametrize(
    "unit", [" ", "\n", "\t ", '"', "\u200b", "\u201c\u201d", "a \n", "\u00c3\u00bc", "?a"]
)
def test_a_hostile_name_takes_linear_time(unit):
    name = "a" + unit * (400_000 // len(unit)) + "\n b"
    assert seconds(lambda: repair_name(name)) < 5
    assert seconds(lambda: unusual_names([name])) < 5
