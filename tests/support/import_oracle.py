"""What an import must make of each record, by the reference alone."""

from collections.abc import Mapping, Sequence

from tests.support.reference_records import Content
from tests.support.reference_rules import Outcome, is_storable, outcome_of_row, outcome_of_value


def expected_outcomes(content: Content) -> dict[int, Outcome]:
    """Return what must become of each record, by its number."""
    columns = content.columns
    return {
        number: outcome_of_value(record) if columns is None else outcome_of_row(record, columns)
        for number, record in enumerate(content.records, 1)
    }


def assert_outcomes(
    outcomes: Mapping[int, Outcome], rejected_texts: Sequence[str], content: Content
) -> None:
    """Assert that each record became what it must, and that all of it can be stored."""
    assert outcomes == expected_outcomes(content)
    contacts = [outcome for outcome in outcomes.values() if not isinstance(outcome, str)]
    for text in [*rejected_texts, *(field for contact in contacts for field in contact)]:
        assert is_storable(text)
