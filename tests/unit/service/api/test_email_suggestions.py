"""Suggestions for addresses that were refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.records.models import Candidates
from core.records.validation import validate
from service.api.email_suggestions import _PROVIDERS, _is_one_edit, suggestion

PLAIN = {
    "ada@gmial.com": "ada@gmail.com",
    "ada@gmai.com": "ada@gmail.com",
    "ada@gmaill.com": "ada@gmail.com",
    "ada@fmail.com": "ada@gmail.com",
    "ada@gmail.con": "ada@gmail.com",
    "ada@gmail.co": "ada@gmail.com",
    "ada@gmailcom": "ada@gmail.com",
    "ada@GMIAL.COM": "ada@gmail.com",
    "ada@hotmial.co.uk": "ada@hotmail.co.uk",
    "ada@example.con": "ada@example.com",
    "ada@example.ogr": "ada@example.org",
    "ada@example,com": "ada@example.com",
    "ada@example..com": "ada@example.com",
    "ada.@example.com": "ada@example.com",
    "ada@.example.com": "ada@example.com",
    "ada@@example.com": "ada@example.com",
    "ada@gmail,con": "ada@gmail.com",
    "ada lovelace@example.com": "adalovelace@example.com",
    "ada@ example.com": "ada@example.com",
    "ada\u200b@example.com": "ada@example.com",
    "ada @\u00a0example.com": "ada@example.com",
    "mailto:ada@example.com": "ada@example.com",
    "MAILTO://ada@example.com": "ada@example.com",
    "Ada <ada@example.com>": "ada@example.com",
    "Ada <mailto:ada@example.com>,": "ada@example.com",
    '"ada@example.com"': "ada@example.com",
    "ada@example.com.": "ada@example.com",
    "ada@example.com;": "ada@example.com",
    "(ada@example.com)": "ada@example.com",
    "ada[at]example.com": "ada@example.com",
    "ada at example.com": "ada@example.com",
    "adagmail.com": "ada@gmail.com",
    "ada.hotmail.com": "ada@hotmail.com",
    "adagooglemail.com": "ada@googlemail.com",
    "josé@gmail,com": "josé@gmail.com",
}
NOT_PLAIN = [
    "",
    "@",
    "@gmail.com",
    "gmail.com",
    "ada",
    "ada@example",
    "ada2gmail.com",
    "a@example.com, b@example.com",
    "a@example.com b@example.com",
    "ada@example.com",
    "ada@mail.com",
    "ada@ymail.com",
    "ada@gmail.com",
    "ada@yahoo.it",
    "data.example.com",
    "x" * 1000 + "@gmial.com",
    "\ud800@gmail,com",
    "n/a",
    "+49 170 1234567",
]


@pytest.mark.parametrize(("email", "meant"), PLAIN.items())
def test_what_is_plain_is_suggested(email, meant):
    assert suggestion(email) == meant


@pytest.mark.parametrize("email", NOT_PLAIN)
def test_what_is_not_plain_is_not(email):
    assert suggestion(email) is None


@given(
    st.text(st.characters(codec=None), max_size=40)
    | st.text("ab.,;:@<>()[] \tat2gmilcon", max_size=30)
    | st.from_regex(r"[a-z., ]{1,5}@{0,2}[gmailcohtyu.,]{3,12}", fullmatch=True)
)
def test_a_suggestion_is_valid_as_it_is_and_another_one(email):
    found = suggestion(email)
    if found is not None:
        assert found != email
        assert validate(Candidates(emails=(found,))) == ("", found, ())
        assert suggestion(found) is None


LETTERS = st.text("abc.", max_size=5)


@given(LETTERS, LETTERS)
def test_a_slip_is_one_edit(seen, meant):
    assert _is_one_edit(seen, meant) == (seen in edits(meant))


def edits(word: str) -> set[str]:
    """Peter Norvig's (https://norvig.com/spell-correct.html), without the word itself."""
    splits = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    deleted = [left + right[1:] for left, right in splits if right]
    swapped = [left + right[1] + right[0] + right[2:] for left, right in splits if len(right) > 1]
    replaced = [left + letter + right[1:] for left, right in splits if right for letter in "abc."]
    inserted = [left + letter + right for left, right in splits for letter in "abc."]
    return {*deleted, *swapped, *replaced, *inserted} - {word}


def test_no_provider_is_a_slip_of_another():
    assert [(a, b) for a in _PROVIDERS for b in _PROVIDERS if a != b and _is_one_edit(a, b)] == []
