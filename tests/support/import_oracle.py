"""What an import must make of each record, by the reference alone."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.reference_records import Content
from tests.support.reference_rules import (
    LONGEST_NAME,
    Outcome,
    is_storable,
    outcome_of,
    stored_email,
)

NAME_MARKS = " -'."
WORDS_FOR_NONE = {"null", "none", "nan", "unknown", "undefined", "na", "n"}
WRONG_DECODING = "\u00c2\u00c3\u00c4\u00c5\u00ce\u00cf\u00d0\u00d1"
"""Letters that may be the first half of one that was decoded wrongly."""
ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.@-]*[A-Za-z0-9]")
"""Texts of which no rule of repair removes anything."""
OTHER_DIALECTS = set(b"\"'\\;\t|")


def certain_outcomes(content: Content) -> dict[int, Outcome]:
    """Return what must become of each record to which no rule of repair applies, by its number."""
    if content.columns is None:
        is_usual = all(map(_is_usual, content.records))
        found = {
            number: _outcome_of_value(record, is_usual=is_usual)
            for number, record in enumerate(content.records, 1)
        }
    elif content.columns.header == ("name", "email") and not OTHER_DIALECTS & {*content.stored}:
        found = {number: _outcome_of_row(row) for number, row in enumerate(content.records, 1)}
    else:
        found = {}
    return {number: outcome for number, outcome in found.items() if outcome is not None}


def _is_usual(record: Any) -> bool:
    """Return whether a record cannot lead to other keys than ``name`` and ``email``."""
    if not isinstance(record, dict):
        return True
    return (
        record.keys() <= {"name", "email"}
        and not any(isinstance(value, list | dict) for value in record.values())
        and "@" not in str(record.get("name"))
    )


def _outcome_of_value(record: Any, *, is_usual: bool) -> Outcome | None:
    if not isinstance(record, dict):
        return "not_an_object"
    if not record.keys() <= {"name", "email"}:
        return None
    outcome = certain_outcome(record.get("name"), record.get("email"))
    return None if isinstance(outcome, str) and not is_usual else outcome


def _outcome_of_row(row: Sequence[str]) -> Outcome | None:
    """Return the contact of a whole row with an address: no other is certain to be a record."""
    outcome = certain_outcome(*row) if len(row) == 2 else None
    return outcome if isinstance(outcome, tuple) and outcome[1] else None


def certain_outcome(name: object, email: object) -> Outcome | None:
    """Return what must become of a name and an e-mail; None if a rule of repair may apply."""
    if isinstance(name, bool):
        return "name_not_text"
    if not isinstance(name, str | None) or not isinstance(email, str | bool | None):
        return None
    name = (name or "").strip()
    is_broken = re.fullmatch("[a-z]+[\0\ud800-\udfff][a-z]+", name)
    if len(name) > LONGEST_NAME or is_broken:
        return outcome_of(name, None) if is_broken or (name.isalpha() and name.isascii()) else None
    if name and not _is_plain_name(name):
        return None
    if isinstance(email, bool):
        return "email_not_text"
    email = (email or "").strip()
    is_certain = not email or (ADDRESS.fullmatch(email) and "@" in email)
    return outcome_of(name, email) if is_certain else None


def _is_plain_name(name: str) -> bool:
    """Return whether a name has letters that nobody decoded wrongly, and single marks in it."""
    words = re.split(f"[{NAME_MARKS}]", name)
    return (
        all(word.isalpha() and word.isprintable() for word in words)
        and not any(letter in WRONG_DECODING for letter in name)
        and not all(word.casefold() in WORDS_FOR_NONE for word in words)
    )


def assert_outcomes(
    outcomes: Mapping[int, Outcome], rejected_texts: Sequence[str], content: Content
) -> None:
    """Assert that each record became what it must or may, and that all of it can be stored.

    A record that needs a repair may become a contact with a valid address, or a rejection; a row
    may be skipped.
    """
    numbers = set(range(1, len(content.records) + 1))
    assert outcomes.keys() <= numbers
    assert content.columns is not None or outcomes.keys() == numbers
    for number, certain in certain_outcomes(content).items():
        assert outcomes.get(number) == certain, content.records[number - 1]
    for outcome in outcomes.values():
        if not isinstance(outcome, str):
            assert any(outcome)
            assert outcome[1] == "" or stored_email(outcome[1]) == outcome[1]
            assert all(text == text.strip() and is_storable(text) for text in outcome)
            assert len(outcome[0]) <= LONGEST_NAME
    assert all(map(is_storable, rejected_texts))
