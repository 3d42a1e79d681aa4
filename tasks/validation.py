"""From the fields of a record to those of a contact: what is valid, and how it is stored.

``validated`` decides, one record at a time. ``all_plain`` looks at many at once and sees only
whether they are of the usual kind, at a quarter of the time.
"""

from collections.abc import Sequence

from config.emails import MAX_EMAIL, are_plain_emails, normalised_email
from tasks.reasons import (
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


class Refused(Exception):  # noqa: N818
    """A record is no contact; ``reason`` tells why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.code)
        self.reason = reason


def all_plain(names: Sequence[object], emails: Sequence[object]) -> bool:
    """Whether all of these records are contacts of which nothing has to be changed.

    None of them needs ``validated`` then, which would return each as it is. False tells nothing.
    """
    try:
        return (
            _are_plain_names(names)  # type: ignore[arg-type]
            and are_plain_emails(emails)  # type: ignore[arg-type]
            and not ("" in names and ("", "") in zip(names, emails, strict=True))
        )
    except TypeError:  # one of them is no text
        return False


def _are_plain_names(names: Sequence[str]) -> bool:
    """Printable text has no NUL, no half of a surrogate pair, and no white space but blanks."""
    text = "|".join(names) + "|"
    blanks_outside = text.startswith(" ") or " |" in text or "| " in text
    return text.isprintable() and not blanks_outside and max(map(len, names), default=0) <= MAX_NAME


def validated(name: object, email: object) -> tuple[str, str]:
    """The name and e-mail address as they are stored, empty where there is none.

    Raises Refused if they make no contact.
    """
    name = _trimmed(name, NAME_NOT_TEXT)
    email = _trimmed(email, EMAIL_NOT_TEXT)
    if name:
        _check_name(name)
    elif not email:
        raise Refused(NO_NAME_AND_NO_EMAIL)
    return name, _normalised(email) if email else ""


def _trimmed(value: object, otherwise: Reason) -> str:
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    raise Refused(otherwise)


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME:
        raise Refused(NAME_TOO_LONG)
    _check_storable(name)


def _normalised(email: str) -> str:
    if len(email) > MAX_EMAIL:
        raise Refused(EMAIL_TOO_LONG)
    _check_storable(email)
    found = normalised_email(email)
    if found is None:
        raise Refused(EMAIL_INVALID)
    return found


def _check_storable(text: str) -> None:
    if "\0" in text:
        raise Refused(UNSTORABLE_TEXT)
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(UNSTORABLE_TEXT) from None
