"""Which values look like names of people, and which words of theirs an address may have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.reading.name_values import (
    are_categories,
    are_no_names,
    is_like_cjk_name,
    is_like_full_name,
    is_like_half,
    is_no_name,
    name_words,
)


@pytest.mark.parametrize(
    "value",
    ["yes", "NEIN", "да", "1", "2024-01-05", "+49 30 1234", "K-100", "x", "-", "a@b.co", "https://a.b"],
)  # fmt: skip
def test_flags_numbers_and_codes_are_no_names(value):
    assert is_no_name(value)


@pytest.mark.parametrize("value", ["Ada", "Ada King", "Li", "张伟", "Ян", "O'Dea", "Null"])
def test_names_are_not_excluded(value):
    assert not is_no_name(value)


@pytest.mark.parametrize(
    "value",
    ["Ada King", "King, Ada", "Ludwig van Beethoven", "Sarah O'Dea", "Jean-Luc Picard",
     "Ada B. King", "Иван Петров", "محمد علي", "नरेंद्र सिंह", "d'Arcy Power", "'Abd al-Rahman"],
)  # fmt: skip
def test_full_names_are_recognised(value):
    assert is_like_full_name(value)


@pytest.mark.parametrize(
    "value",
    ["Ada", "Acme Ltd", "Sales Manager", "New York", "ada king", "Met at the fair.", "Room 12",
     "Human Resources", "one two three four five six", "A" * 61, "Gold Tier Plan"],
)  # fmt: skip
def test_other_texts_are_no_full_names(value):
    assert not is_like_full_name(value)


def test_halves_are_one_word_or_a_whole_name():
    assert is_like_half("Ada")
    assert is_like_half("Ada Mae")
    assert not is_like_half("active")
    assert not is_like_half("Marketing")


@pytest.mark.parametrize(("value", "expected"), [("张伟", True), ("김민준", True), ("Ada", False)])
def test_names_without_blanks_are_recognised(value, expected):
    assert is_like_cjk_name(value) is expected


@pytest.mark.parametrize(
    ("value", "spelling"),
    [("Jürgen", "juergen"), ("Jürgen", "jurgen"), ("Groß", "gross"), ("Хрущёв", "khrushchev"),
     ("Łukasz", "lukasz"), ("José", "jose")],
)  # fmt: skip
def test_words_have_the_spellings_of_addresses(value, spelling):
    assert spelling in name_words(value)[0]


def test_repeated_and_known_words_are_categories():
    assert are_categories(["Gold", "Silver", "Gold", "Silver"])
    assert are_categories(["phone", "email"])
    assert not are_categories(["Ada", "Eve", "Bob", "Ole"])
    assert not are_categories([])


def test_columns_are_judged_by_most_of_their_filled_values():
    assert are_no_names(["yes", "", "no", "Ada"])
    assert not are_no_names(["yes", "Ada", "Eve"])
    assert not are_no_names(["", " "])


@given(st.text(max_size=80))
def test_any_text_is_judged(value):
    assert not (is_like_full_name(value) and is_no_name(value))
    name_words(value)
