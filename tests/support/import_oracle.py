"""What an import must make of each record, by the reference alone."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.reference_records import Content
from tests.support.reference_rules import Outcome, is_storable, outcome_of_value, stored_email

PLAIN_NAME = re.compile(r"[A-Z][a-z]+( [A-Z][a-z]+)*")
WORDS_FOR_NONE = {"null", "none", "nan", "unknown", "undefined", "na"}


def certain_outcome(record: Any) -> Outcome | None:
    """Return what must become of a value to which no rule of repair applies; else None."""
    if not isinstance(record, dict):
        return "not_an_object"
    if not record.keys() <= {"name", "email"}:
        return None
    outcome = outcome_of_value(record)
    if isinstance(outcome, str):
        return None
    name, email = outcome
    if name and (not PLAIN_NAME.fullmatch(name) or name.lower() in WORDS_FOR_NONE):
        return None
    return outcome if email.isascii() else None


def assert_outcomes(
    outcomes: Mapping[int, Outcome], rejected_texts: Sequence[str], content: Content
) -> None:
    """Assert that each record became what it must or may, and that all of it can be stored.

    A record that needs a repair may become a contact with a valid address, or a rejection.
    """
    assert outcomes.keys() <= set(range(1, len(content.records) + 1))
    for number, record in enumerate(content.records, 1):
        if isinstance(record, list) and content.columns is not None:
            continue  # rows are compared by the tests of their parser
        certain = certain_outcome(record)
        outcome = outcomes[number]
        assert certain in {None, outcome}, (record, outcome)
    for outcome in outcomes.values():
        if not isinstance(outcome, str) and outcome[1]:
            assert stored_email(outcome[1]) == outcome[1]
    contacts = [outcome for outcome in outcomes.values() if not isinstance(outcome, str)]
    for text in [*rejected_texts, *(field for contact in contacts for field in contact)]:
        assert is_storable(text)
