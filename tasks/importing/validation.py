"""Decides whether the fields of a record are a valid contact, and how they are stored.

``validate_contact`` decides about one record. Most contacts are valid as they are: ``all_plain``
sees that for many records at a quarter of the time, and ``needs_validation`` finds the others.
"""

from collections.abc import Sequence
from typing import Any

from core.emails import MAX_EMAIL, are_plain_emails, is_plain_email, normalised_email
from tasks.importing.rejection_reasons import (
    EMAIL_INVALID,
    EMAIL_NOT_TEXT,
    EMAIL_TOO_LONG,
    MAX_NAME,
    NAME_NOT_TEXT,
    NAME_TOO_LONG,
    NO_NAME_AND_NO_EMAIL,
    UNSTORABLE_TEXT,
    Reason,
)


def validate_contact(  # noqa: PLR0911 -- a return for each reason
    name: object, email: object
) -> tuple[str, str] | Reason:
    """Return name and e-mail as they are stored, or the reason why they are not a valid contact.

    Both are trimmed, the e-mail is normalised, and a missing one of the two is empty.
    """
    name, email = _trimmed(name), _trimmed(email)
    if name is None:
        return NAME_NOT_TEXT
    if email is None:
        return EMAIL_NOT_TEXT
    if name:
        if len(name) > MAX_NAME:
            return NAME_TOO_LONG
        if not _is_storable(name):
            return UNSTORABLE_TEXT
    elif not email:
        return NO_NAME_AND_NO_EMAIL
    if not email:
        return name, ""
    if len(email) > MAX_EMAIL:
        return EMAIL_TOO_LONG
    if not _is_storable(email):
        return UNSTORABLE_TEXT
    normalised = normalised_email(email)
    return EMAIL_INVALID if normalised is None else (name, normalised)


def all_plain(names: Sequence[object], emails: Sequence[object]) -> bool:
    """Return whether ``validate_contact`` would return each of these records unchanged.

    False means that at least one of them has to be validated, or may have to be.
    """
    try:
        return (
            _are_plain_names(names)  # type: ignore[arg-type]
            and are_plain_emails(emails)  # type: ignore[arg-type]
            and not ("" in names and ("", "") in zip(names, emails, strict=True))
        )
    except TypeError:  # a field is not text
        return False


def needs_validation(names: Sequence[Any], emails: Sequence[Any]) -> Sequence[int]:
    """Return the positions of the records that ``validate_contact`` may change or reject."""
    try:
        if _are_plain_names(names):
            return [
                position
                for position, (name, email) in enumerate(zip(names, emails, strict=True))
                if not (is_plain_email(email) if email else name and email == "")
            ]
    except TypeError:  # a field is not text
        pass
    return range(len(names))


def _are_plain_names(names: Sequence[str]) -> bool:
    """Printable text has no NUL, no lone surrogate, and no white space other than blanks."""
    text = "|".join(names) + "|"
    untrimmed = text.startswith(" ") or " |" in text or "| " in text
    return text.isprintable() and not untrimmed and max(map(len, names), default=0) <= MAX_NAME


def _trimmed(value: object) -> str | None:
    """Text without surrounding white space, empty for null; None for anything but text."""
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else None


def _is_storable(text: str) -> bool:
    """Postgres stores neither NUL nor lone surrogates."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
