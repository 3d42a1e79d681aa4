"""Why a record is no contact: a stable code for programs, a message for people.

The first check that fails names the reason: the record as such, the types of name and e-mail, then
all of the name, then all of the e-mail.
"""

from dataclasses import dataclass
from typing import Final

from core.emails import MAX_EMAIL

MAX_NAME: Final = 1000
"""Characters of a name after trimming."""


@dataclass(frozen=True, slots=True)
class Reason:
    """``code`` never changes its meaning; ``message`` says what to do."""

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
    "The row has more or fewer fields than the header. Quote fields with delimiters, quotes or "
    "line breaks in them.",
)
NAME_NOT_TEXT: Final = Reason("name_not_text", "The name must be text or null.")
EMAIL_NOT_TEXT: Final = Reason("email_not_text", "The email must be text or null.")
NAME_TOO_LONG: Final = Reason(
    "name_too_long", f"The name is longer than {MAX_NAME} characters; shorten it."
)
EMAIL_TOO_LONG: Final = Reason(
    "email_too_long", f"The email is longer than {MAX_EMAIL} characters; correct it."
)
UNSTORABLE_TEXT: Final = Reason(
    "unstorable_text",
    "The name or email contains a NUL character or half of a surrogate pair, which no database "
    "stores; remove it.",
)
EMAIL_INVALID: Final = Reason(
    "email_invalid",
    "The email is no valid address such as ada@example.com; correct it, or leave it out.",
)
NO_NAME_AND_NO_EMAIL: Final = Reason(
    "no_name_and_no_email", "The record has neither a name nor an email; give at least one."
)

_REFUSED: Final = "refused_by_database"
_HINTS: Final = {
    "22001": "a value is too long for its column",
    "23502": "a value is missing that the contacts table requires",
    "23505": "a value is taken that the contacts table wants to be unique",
    "23514": "a value breaks a rule of the contacts table",
}


def refused_by_database(sqlstate: str) -> Reason:
    """The reason for a record that Postgres itself does not take."""
    hint = _HINTS.get(sqlstate, "see the rules and triggers of the contacts table")
    return Reason(_REFUSED, f"The database refused the record: {hint} (SQLSTATE {sqlstate}).")
