"""Names that were decoded wrongly before: put right where that is certain, else seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.records.mojibake import has_mojibake, looks_broken, repair_mojibake


@given(st.text(max_size=20))
def test_wrong_decoding_is_undone(name):
    for encoding in ("latin-1", "cp1252"):
        try:
            damaged = name.encode().decode(encoding)
        except UnicodeDecodeError:
            continue
        assert repair_mojibake(damaged) in {None, name}


def test_marks_of_wrong_decoding_are_seen():
    assert all(map(looks_broken, ["J\ufffdrgen", "J?rgen", "J\x81rgen"]))
    assert not any(map(looks_broken, ["Jürgen", "Who?", "Ada"]))


@pytest.mark.parametrize(
    ("damaged", "name"),
    [
        ("J\u00c3\u00bcrgen", "J\u00fcrgen"),
        ("Zo\u00c3\u00ab", "Zo\u00eb"),
        ("\u00d0\u0090\u00d0\u00bd\u00d0\u00bd\u00d0\u00b0", "\u0410\u043d\u043d\u0430"),
    ],
)
def test_a_name_that_was_decoded_wrongly_is_put_right(damaged, name):
    assert has_mojibake(damaged)
    assert repair_mojibake(damaged) == name


@pytest.mark.parametrize(
    "name", ["Ada", "J\u00fcrgen", "JO\u00c3O", "\u00c5s", "\u0410\u043d\u043d\u0430", ""]
)
def test_right_names_are_left_alone(name):
    assert not has_mojibake(name)
    assert repair_mojibake(name) is None
    assert not looks_broken(name)


def test_one_letter_of_another_alphabet_is_too_little_to_be_certain():
    assert repair_mojibake("\u00ce\u00b1") is None
