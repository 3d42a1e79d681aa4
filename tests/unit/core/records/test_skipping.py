"""Rows that are no records are suspected by their names alone, whatever else they have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.reading.plan import FieldPlaces, ReadingPlan
from core.reading.vocabulary import vocabulary
from core.records.skipping import SkippedRows

FOOTERS = sorted(" ".join(words) for words in vocabulary().footers | vocabulary().counted)
HEADERS = [("Name", "Email"), ("ФИО", "Почта"), ("A1", "e-mail"), ("氏名", "***"), ("", "x")]
words = st.sampled_from(
    [*FOOTERS, "Ada", "Lin", "EUR", "400", "3 records", ":", "-", "", " ", "Søren", "ﬁn", "(Total)"]
)
cells = (
    st.lists(words, max_size=3).map(" ".join)
    | st.text(max_size=6)
    | st.sampled_from([cell for header in HEADERS for cell in header])
)


def skipped_rows(header, *, emails=True):
    places = FieldPlaces(name=(0,), email=(1,) if emails else ())
    return SkippedRows(ReadingPlan(places=places, columns=2, header=header))


@given(st.sampled_from(HEADERS), cells, st.booleans())
def test_each_row_that_is_skipped_was_suspected(header, name, emails):
    skipping = skipped_rows(header, emails=emails)
    for row in ([name, ""], [name], [name.upper(), ""]):
        if row[0] and "@" not in row[0] and skipping.code(row):
            assert skipping.suspects([row[0]], [""]) == {0}


@pytest.mark.parametrize("name", ["Ada King", "Søren", "Анна", "Nora", "Grace"])
def test_people_without_an_address_are_not_suspected(name):
    assert skipped_rows(HEADERS[0]).suspects([name, name], ["", "a@b.co"]) == set()


def test_a_row_with_an_address_is_never_suspected():
    assert skipped_rows(HEADERS[0]).suspects(["Total"], ["a@b.co"]) == set()


def test_only_files_with_emails_have_footers():
    assert skipped_rows(HEADERS[0]).code(["Total", "5"]) == "footer"
    assert skipped_rows(("Name",), emails=False).code(["Total"]) is None
    assert skipped_rows(("Name",), emails=False).code(["name"]) == "repeated_header"


def test_counts_are_footers_also_without_emails():
    for header in (("Name",), ()):
        skipping = skipped_rows(header, emails=False)
        assert skipping.code(["400 Mitglieder", ""]) == "footer"
        assert skipping.suspects(["400 Mitglieder", "Ada"], ["", ""]) == {0}
