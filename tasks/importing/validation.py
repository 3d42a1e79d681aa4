"""From the fields of a record to those of a contact: what is valid, and how it is stored.

``judged`` decides, one record at a time. ``all_plain`` looks at many at once and sees only whether
they are of the usual kind, at a quarter of the time; ``unusual`` finds those that are not.
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


class RecordRejectedError(Exception):
    """A record is no contact; ``reason`` tells why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.code)
        self.reason = reason


def all_plain(names: Sequence[object], emails: Sequence[object]) -> bool:
    """Whether all of these records are contacts of which nothing has to be changed.

    None of them needs ``judged`` then, which would return each as it is. False tells nothing.
    """
    try:
        return (
            _are_plain_names(names)  # type: ignore[arg-type]
            and are_plain_emails(emails)  # type: ignore[arg-type]
            and not ("" in names and ("", "") in zip(names, emails, strict=True))
        )
    except TypeError:  # one of them is no text
        return False


def unusual(names: Sequence[Any], emails: Sequence[Any]) -> Sequence[int]:
    """Positions of the records that need ``judged``; it would return the others as they are."""
    try:
        if _are_plain_names(names):
            return [
                at
                for at, (name, email) in enumerate(zip(names, emails, strict=True))
                if not (is_plain_email(email) if email else name and email == "")
            ]
    except TypeError:  # one of them is not text
        pass
    return range(len(names))


def _are_plain_names(names: Sequence[str]) -> bool:
    """Printable text has no NUL, no half of a surrogate pair, and no white space but blanks."""
    text = "|".join(names) + "|"
    blanks_outside = text.startswith(" ") or " |" in text or "| " in text
    return text.isprintable() and not blanks_outside and max(map(len, names), default=0) <= MAX_NAME


def validated(name: object, email: object) -> tuple[str, str]:
    """The name and e-mail address as they are stored, empty where there is none.

    Raises RecordRejectedError if they make no contact.
    """
    found = judged(name, email)
    if isinstance(found, Reason):
        raise RecordRejectedError(found)
    return found


def judged(name: object, email: object) -> tuple[str, str] | Reason:  # noqa: PLR0911 -- as many reasons
    """The name and e-mail address as they are stored, or why they do not make a contact."""
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
    found = normalised_email(email)
    return EMAIL_INVALID if found is None else (name, found)


def _trimmed(value: object) -> str | None:
    """The text without white space around it, empty for null; None for what is not text."""
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else None


def _is_storable(text: str) -> bool:
    """Whether Postgres can store it: no NUL, no half of a surrogate pair."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
