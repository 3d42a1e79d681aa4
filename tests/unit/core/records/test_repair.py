"""Decorated addresses and names: what is repaired, and what is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.records.models import Candidates, Contact
from core.records.mojibake import looks_broken, repair_mojibake
from core.records.rejection_reasons import Reason
from core.records.repair import read_address_cell, repair_name
from core.records.validation import validate


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("mailto:ada@example.com", "ada@example.com"),
        ("Ada Lovelace <ada@example.com>", "ada@example.com"),
        ("<ada@example.com>", "ada@example.com"),
        ("[ada@example.com](mailto:ada@example.com)", "ada@example.com"),
        ('<a href="mailto:ada@example.com">write</a>', "ada@example.com"),
        ('=HYPERLINK("mailto:ada@example.com","x")', "ada@example.com"),
        ('="ada@example.com"', "ada@example.com"),
        ("'ada@example.com", "ada@example.com"),
        ("\u201cada@example.com\u201d", "ada@example.com"),
        ("ada@example.com.", "ada@example.com"),
        ("\u200eada@example.com\u200b", "ada@example.com"),
        ("ada@example.com\0\0", "ada@example.com"),
        ("E-Mail: ada@example.com", "ada@example.com"),
        ("ada@example.com (private)", "ada@example.com"),
        ("ada@example.com - work", "ada@example.com"),
        ("ada@example.com; eve@example.com", "ada@example.com"),
        ("nope@, ada@example.com", "ada@example.com"),
    ],
)
def test_an_address_is_found_and_the_repair_is_reported(text, address):
    contact = validate(Candidates(("Ada",), emails=(text,)))
    assert isinstance(contact, Contact)
    assert contact.email == address
    assert "address_repaired" in contact.warnings


@pytest.mark.parametrize(
    "text",
    ["ada", "cc ada@example.com", "not ada@example.com", "ada@example.com <x", "a@b@c.co", "@"],
)
def test_what_is_unclear_stays_a_rejection(text):
    assert isinstance(validate(Candidates(("Ada",), emails=(text,))), Reason)


def test_the_name_beside_an_address_is_used_if_there_is_no_other():
    assert validate(Candidates(emails=("Ada L <a@b.co>",)))[:2] == ("Ada L", "a@b.co")
    assert validate(Candidates(("Eve",), emails=("Ada L <a@b.co>",)))[:2] == ("Eve", "a@b.co")


def test_several_places_count_in_their_order():
    found = validate(Candidates(("", "Ada"), ("Eve",), ("M",), ("n/a", "nope", "a@b.co", "c@d.co")))
    assert found == ("Ada", "a@b.co", ("further_addresses",))
    assert validate(Candidates(("NULL",), ("Chris",), ("Null",)))[:2] == ("Chris Null", "")
    halves = Candidates((), ("Ágnes",), ("Szűcs",))
    assert validate(halves, family_name_first=True)[:2] == ("Szűcs Ágnes", "")


def test_a_person_without_an_address_stays():
    assert validate(Candidates(("Ada",), emails=("N/A",))) == ("Ada", "", ("address_dropped",))
    exchange = "/o=Org/ou=Group/cn=Recipients/cn=ada"
    assert validate(Candidates(("Ada",), emails=(exchange,)))[:2] == ("Ada", "")


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


def test_an_apostrophe_goes_only_where_the_address_has_one_too():
    assert validate(Candidates(("'Ada",), emails=("'a@b.co",)))[:2] == ("Ada", "a@b.co")
    assert validate(Candidates(("'s-Gravesande",), emails=("a@b.co",)))[0] == "'s-Gravesande"


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


@given(st.text(max_size=40))
def test_any_cell_is_read_without_an_error(text):
    cell = read_address_cell(text)
    assert not (cell.is_none and cell.addresses)
