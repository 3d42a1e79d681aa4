"""From the fields of a record to those of a contact: what is valid, and how it is stored."""

import re
from typing import Final

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from tasks.reasons import (
    EMAIL_INVALID,
    EMAIL_NOT_TEXT,
    EMAIL_TOO_LONG,
    MAX_EMAIL,
    MAX_NAME,
    NAME_NOT_TEXT,
    NAME_TOO_LONG,
    NO_NAME_AND_NO_EMAIL,
    UNSTORABLE_TEXT,
    Reason,
)

# HTML Standard, "valid email address", with at least one dot in the domain.
_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_is_plain_email: Final = re.compile(
    rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})+"
).fullmatch


# What stands before the @ must not decide whether a domain such as example.test is taken.
SPECIAL_USE_DOMAIN_NAMES.clear()


class Refused(Exception):  # noqa: N818
    """A record is no contact; ``reason`` tells why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.code)
        self.reason = reason


def validated(name: object, email: object) -> tuple[str | None, str | None]:
    """The name and e-mail address as they are stored; raises Refused if they make no contact."""
    name = _trimmed(name, NAME_NOT_TEXT)
    email = _trimmed(email, EMAIL_NOT_TEXT)
    if name:
        _check_name(name)
    elif not email:
        raise Refused(NO_NAME_AND_NO_EMAIL)
    return name, (_normalised(email) if email else None)


def _trimmed(value: object, otherwise: Reason) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if value is None:
        return None
    raise Refused(otherwise)


def _check_name(name: str) -> None:
    if len(name) > MAX_NAME:
        raise Refused(NAME_TOO_LONG)
    if "\0" in name or not name.isascii():
        _check_storable(name)


def _normalised(email: str) -> str:
    if len(email) > MAX_EMAIL:
        raise Refused(EMAIL_TOO_LONG)
    if _is_plain_email(email) is None:
        return _international(email)
    local, _, domain = email.rpartition("@")
    return f"{local}@{domain.lower()}"


def _international(email: str) -> str:
    _check_storable(email)
    try:
        return validate_email(email, check_deliverability=False).normalized
    except (EmailNotValidError, UnicodeError):
        raise Refused(EMAIL_INVALID) from None


def _check_storable(text: str) -> None:
    if "\0" in text:
        raise Refused(UNSTORABLE_TEXT)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(UNSTORABLE_TEXT) from None
