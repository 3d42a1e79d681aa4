"""Why a record is not a valid contact: a stable code for programs, a message for people.

A record has one reason, of the first check that fails: its form, the types of name and e-mail, then
the name, then the e-mail.
"""

from dataclasses import dataclass
from typing import Final

from core.emails import MAX_EMAIL

MAX_NAME: Final = 1000
"""Characters of a name after trimming."""


@dataclass(frozen=True, slots=True)
class Reason:
    """``code`` never changes its meaning; ``message`` also says how to correct the record."""

    code: str
    message: str


NESTED_TOO_DEEPLY: Final = Reason(
    "nested_too_deeply", "The record is nested too deeply to be read; send a flat object."
)
NOT_AN_OBJECT: Final = Reason(
    "not_an_object", 'The record must be an object such as {"name": "Ada", "email": "ada@x.org"}.'
)
WRONG_FIELD_COUNT: Final = Reason(
    "wrong_field_count",
    "The row has more fields than the header, its address is not in the column of addresses, or it "
    "is the rest of a broken row. Quote fields with delimiters, quotes or line breaks in them.",
)
MALFORMED_QUOTES: Final = Reason(
    "malformed_quotes",
    "Text follows the closing quote of a field, so it is not clear which fields the row has. Write "
    "a quote in a quoted field twice.",
)
UNCLOSED_QUOTE: Final = Reason(
    "unclosed_quote",
    "A quote is left open in this row, so that a field has taken the rows after it. Close the "
    "quote, or write it twice if it belongs to the text.",
)
NAME_NOT_TEXT: Final = Reason("name_not_text", "The name must be text, a whole number or null.")
EMAIL_NOT_TEXT: Final = Reason("email_not_text", "The email must be text or null.")
NAME_TOO_LONG: Final = Reason(
    "name_too_long", f"The name is longer than {MAX_NAME} characters; shorten it."
)
EMAIL_TOO_LONG: Final = Reason(
    "email_too_long", f"The email is longer than {MAX_EMAIL} characters; correct it."
)
UNSTORABLE_TEXT: Final = Reason(
    "unstorable_text",
    "The name or email contains a NUL character or a lone surrogate, which the database cannot "
    "store; remove it.",
)
EMAIL_INVALID: Final = Reason(
    "email_invalid",
    "The email is not a valid address such as ada@example.com; correct it, or leave it out.",
)
NO_NAME_AND_NO_EMAIL: Final = Reason(
    "no_name_and_no_email", "The record has neither a name nor an email; give at least one."
)

_HINTS: Final = {
    "22001": "a value is too long for its column",
    "23502": "a value is missing that the contacts table requires",
    "23505": "a value that must be unique in the contacts table exists already",
    "23514": "a value violates a check of the contacts table",
}


def refused_by_database(sqlstate: str) -> Reason:
    """The reason for a record that Postgres does not store; ``sqlstate`` is its error code."""
    hint = _HINTS.get(sqlstate, "see the rules and triggers of the contacts table")
    message = f"The database rejected the record: {hint} (SQLSTATE {sqlstate})."
    return Reason("refused_by_database", message)
