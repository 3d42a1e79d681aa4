"""Decorated addresses: what is repaired, and what is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.records.models import Candidates, Contact
from core.records.rejection_reasons import Reason
from core.records.repair import MAX_CELL, NO_ADDRESS, UNREADABLE, read_address_cell
from core.records.validation import validate
from tests.support.resource_usage import seconds

HOSTILE_UNITS = [
    *(",", "<", ">", '"', "'", "@", " ", "(", "[", ":", "a:", ";", "a@", "a ", "a b:", "mailto:"),
    *("<a@", "\u200b", "- ", " - ", "a.", "a@b.", ":::", "<a>", "\\", "\n"),
]


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
    assert found == ("Ada", "a@b.co", ("further_addresses", "address_dropped"))
    assert validate(Candidates(("NULL",), ("Chris",), ("Null",)))[:2] == ("Chris Null", "")
    halves = Candidates((), ("Ágnes",), ("Szűcs",))
    assert validate(halves, family_name_first=True)[:2] == ("Szűcs Ágnes", "")


@pytest.mark.parametrize(
    ("cells", "warnings"),
    [
        (("a@b.co; c@d.co",), {"further_addresses"}),
        (("a@b.co ::: c@d.co",), {"further_addresses"}),
        (("a@b.co and c@d.co",), {"further_addresses"}),
        (("<a@b.co>; <c@d.co>",), {"address_repaired", "further_addresses"}),
        (("a@b.co;",), {"address_repaired"}),
        (("a@b.co", "a@b.co"), set()),
        (("a@b.co", "c@d.co"), {"further_addresses"}),
        (("nope", "a@b.co"), {"address_dropped"}),
        (("a@b.co", "nope"), {"address_dropped"}),
        (("N/A", "a@b.co"), set()),
        (("", "a@b.co", None), set()),
        ((7, "a@b.co"), {"address_dropped"}),
    ],
)
def test_each_address_that_is_not_imported_is_reported(cells, warnings):
    contact = validate(Candidates(("Ada",), emails=cells))
    assert contact[:2] == ("Ada", "a@b.co")
    assert set(contact.warnings) == warnings


def test_a_person_without_an_address_stays():
    assert validate(Candidates(("Ada",), emails=("N/A",))) == ("Ada", "", ("address_dropped",))
    exchange = "/o=Org/ou=Group/cn=Recipients/cn=ada"
    assert validate(Candidates(("Ada",), emails=(exchange,)))[:2] == ("Ada", "")


def test_an_apostrophe_goes_only_where_the_address_has_one_too():
    assert validate(Candidates(("'Ada",), emails=("'a@b.co",)))[:2] == ("Ada", "a@b.co")
    assert validate(Candidates(("'s-Gravesande",), emails=("a@b.co",)))[0] == "'s-Gravesande"


@given(st.text(max_size=40))
def test_any_cell_is_read_without_an_error(text):
    cell = read_address_cell(text)
    assert not (cell.is_none and cell.addresses)


@pytest.mark.parametrize(
    "text",
    [
        *(unit * (MAX_CELL // len(unit)) for unit in HOSTILE_UNITS),
        *("a@b.co" + unit * (4000 // len(unit)) + end for unit in HOSTILE_UNITS for end in "@<>"),
    ],
)
def test_a_hostile_cell_takes_linear_time(text):
    assert seconds(lambda: [read_address_cell(text) for _ in range(20)]) < 2


def test_a_cell_that_is_too_long_is_none():
    assert read_address_cell("a@b.co " * 1000) is UNREADABLE
    assert read_address_cell(" ") == NO_ADDRESS
