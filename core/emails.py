"""What an e-mail address is here, and how it is stored."""

import re
from collections.abc import Sequence
from typing import Final

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

MAX_EMAIL: Final = 320
"""Characters of an e-mail address after trimming."""

# HTML Standard, "valid email address", with at least one dot in the domain. Most are of this kind.
_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_is_plain: Final = re.compile(
    rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})+"
).fullmatch

_LOWER_LABEL: Final = _LABEL.replace("A-Z", "")
is_plain_email: Final = re.compile(
    rf"(?=.{{1,{MAX_EMAIL}}}\Z)[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LOWER_LABEL}(?:\.{_LOWER_LABEL})+"
).fullmatch
"""Matches what ``normalised_email`` returns as it is, if it is ASCII."""

# The same with the domain in lower case already, in a text in which each address has a line between
# two line ends: it finds a line that is neither empty nor plain. To look for the exception takes no
# memory for each line, as a repeated group would, and each line is read from one start only.
_PLAIN_LENGTH: Final = 64
"""Up to this length of an address, no label can be too long."""
_LOWER: Final = r"[a-z0-9]+"
_find_other: Final = re.compile(
    r"\n(?![a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9][a-z0-9-]*(?<!-)"
    rf"\.{_LOWER}(?:\n|\.{_LOWER}\n|(?:(?:-+|\.){_LOWER})+\n)|\n|\Z)"
).search

# What stands before the @ must not decide whether a domain such as example.test is taken.
SPECIAL_USE_DOMAIN_NAMES.clear()


def normalised_email(email: str) -> str | None:
    """The address as it is stored, the domain in lower case; None if it is no valid one."""
    if len(email) > MAX_EMAIL:
        return None
    if _is_plain(email) is None:
        # All that is ASCII and valid is plain, and the full check takes fifty times as long.
        return None if email.isascii() else _international(email)
    local, _, domain = email.rpartition("@")
    return f"{local}@{domain.lower()}"


def are_plain_emails(emails: Sequence[str]) -> bool:
    """Return whether ``normalised_email`` would return each of these as it is, or it is empty.

    Looks at many at once. False also if one of them is only longer than usual.
    """
    text = "\n" + "\n".join(emails) + "\n"
    return (
        max(map(len, emails), default=0) <= _PLAIN_LENGTH
        and text.count("\n") == len(emails) + 1
        and _find_other(text) is None
    )


def _international(email: str) -> str | None:
    try:
        return validate_email(email, check_deliverability=False).normalized
    except (EmailNotValidError, UnicodeError):
        return None
