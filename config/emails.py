"""What an e-mail address is here, and how it is stored."""

import re
from typing import Final

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

MAX_EMAIL: Final = 320
"""Characters of an e-mail address after trimming."""

# HTML Standard, "valid email address", with at least one dot in the domain. Most are of this kind.
_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_is_plain: Final = re.compile(
    rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})+"
).fullmatch

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


def _international(email: str) -> str | None:
    try:
        return validate_email(email, check_deliverability=False).normalized
    except (EmailNotValidError, UnicodeError):
        return None
