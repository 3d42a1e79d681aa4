"""A Python that reads samples wrongly is detected before it spoils data."""

import re

import pytest

from core import self_check
from core.errors import SelfCheckError
from core.self_check import run_self_check


def test_self_check_passes_on_this_python():
    run_self_check()


def fails(*arguments, **options):
    raise SystemError("internal error in the pattern matcher")


def wrong_rows(data, delimiter=","):
    return [row.split(delimiter) for row in data.decode().splitlines() if row], len(data)


BROKEN = [
    ("unusual_emails", lambda emails: set(), "e-mail addresses"),
    (
        "unusual_emails",
        lambda emails: {5} if set(emails[5:6]) - {"a@x."} else set(),
        "e-mail",
    ),
    ("unusual_emails", lambda emails: {0}, "e-mail addresses"),
    ("unusual_emails", fails, "e-mail addresses"),
    ("normalised_email", lambda email: email, "e-mail addresses"),
    ("normalised_email", lambda email: None, "e-mail addresses"),
    ("read_rows", wrong_rows, "CSV"),
    ("read_rows", fails, "CSV"),
    ("count_rows", lambda data, delimiter: (range(data.count(b"\n")), len(data)), "CSV"),
    ("first_error", lambda text: (text.index("NaN"), "reason"), "JSON"),
    ("first_error", lambda text: None, "JSON"),
    ("unescape_formulas", lambda cell: cell, "cells of spreadsheets"),
    ("escape_formulas", lambda cell: cell, "cells of spreadsheets"),
]


@pytest.mark.parametrize(("name", "broken", "reported"), BROKEN)
def test_self_check_reports_wrong_results_in_one_line(monkeypatch, name, broken, reported):
    monkeypatch.setattr(self_check, name, broken)
    with pytest.raises(SelfCheckError) as error:
        run_self_check()
    assert "\n" not in str(error.value)
    assert f"reads known samples wrongly ({reported}" in str(error.value)


def test_self_check_reports_lines_that_are_split_wrongly(monkeypatch):
    monkeypatch.setattr("core.formats.ndjson._LINE", re.compile(rb"[^\n]*\n"))
    with pytest.raises(SelfCheckError, match="NDJSON"):
        run_self_check()
