"""Validation and normalisation of e-mail addresses."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

MAX_EMAIL: Final = 320
"""Longest address in characters, after trimming."""

# HTML Standard, "valid email address", with at least one dot in the domain. Almost all addresses
# match this pattern; they are called plain here.
_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_is_plain: Final = re.compile(
    rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})+"
).fullmatch

_LOWER_LABEL: Final = _LABEL.replace("A-Z", "")
is_plain_email: Final = re.compile(
    rf"(?=.{{1,{MAX_EMAIL}}}\Z)(?!')[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LOWER_LABEL}(?:\.{_LOWER_LABEL})+"
).fullmatch
"""Matches the ASCII addresses that ``normalised_email`` returns unchanged.

Not those after an apostrophe: it is rather the mark of text in a spreadsheet."""

# The same for many addresses at once, in a text in which each has a line between two line ends: it
# finds the lines that are neither empty nor plain with a lower-case domain. Searching for them
# takes no memory for each line, as a repeated group would, and reads each line from one start only.
_MAX_LINE: Final = 64
"""Up to this length of an address, no label of its domain can be too long."""
_LOWER: Final = r"[a-z0-9]+"
_others: Final = re.compile(
    r"\n(?![a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9][a-z0-9-]*(?<!-)"
    rf"\.{_LOWER}(?:\n|\.{_LOWER}\n|(?:(?:-+|\.){_LOWER})+\n)|\n|\Z)"
).finditer

_is_dot_atom: Final = re.compile(
    r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
    r"(?:\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+)*"
).fullmatch
"""RFC 5322, section 3.2.3, with the characters that RFC 6531, section 3.3, adds."""
_ASCII: Final = re.compile(r"[\0-\x7f]+")
_MAX_BYTES: Final = 254
"""Longest address that email_validator accepts, in any of its forms."""

_CASELESS_NAMES: Final = frozenset(CASE_INSENSITIVE_MAILBOX_NAMES)
"""Local parts that email_validator stores in lower case, such as ``postmaster``."""

# By default email_validator rejects special-use domains such as example.test. Only addresses with
# other characters than ASCII reach it, and acceptance of a domain must not depend on that.
SPECIAL_USE_DOMAIN_NAMES.clear()


def normalised_email(email: str) -> str | None:
    """Return the address as it is stored, with its domain in lower case; None if it is invalid."""
    if len(email) > MAX_EMAIL:
        return None
    if _is_plain(email) is None:
        # Every valid ASCII address is plain, and the full check takes fifty times as long.
        return None if email.isascii() else _normalised_international(email)
    local, _, domain = email.rpartition("@")
    return f"{local}@{domain.lower()}"


def unusual_emails(emails: Sequence[str]) -> set[int]:
    """Return the positions of texts that are neither empty nor plain with a lower-case domain.

    It checks all of them at once. Those that are merely longer than usual are among them.
    """
    found: set[int] = set()
    text = "\n" + "\n".join(emails) + "\n"
    is_one_line_each = text.count("\n") == len(emails) + 1
    if not is_one_line_each or max(map(len, emails), default=0) > _MAX_LINE:
        found.update(at for at, each in enumerate(emails) if len(each) > _MAX_LINE or "\n" in each)
        lines = ["" if at in found else each for at, each in enumerate(emails)]
        text = "\n" + "\n".join(lines) + "\n"
    if "'" in text and "\n'" in text:
        found.update(at for at, each in enumerate(emails) if each.startswith("'"))
    at, end = 0, 0
    for match in _others(text):
        at, end = at + text.count("\n", end, match.start()), match.start()
        found.add(at)
    return found


def _normalised_international(email: str) -> str | None:
    local, _, domain = email.rpartition("@")
    if not _is_simple(local) or local.lower() in _CASELESS_NAMES:
        return _checked(email)
    # The check of a domain takes a tenth of a millisecond, and few domains are in a list only once.
    checked = _checked_domain(domain)
    if checked is None or len(local.encode()) + 1 + checked.longest > _MAX_BYTES:
        return None
    return f"{local}@{checked.domain}"


def _is_simple(local: str) -> bool:
    """Return whether a local part is certainly valid, and stored as it is unless it is caseless.

    Its characters beside those of ASCII are letters, in composed form.
    """
    if _is_dot_atom(local) is None:
        return False
    return local.isascii() or (
        _ASCII.sub("", local).isalpha() and unicodedata.is_normalized("NFC", local)
    )


class _Domain(NamedTuple):
    domain: str
    """As it is stored."""
    longest: int
    """Bytes of its longest form: as it was written, as it is stored, or in ASCII."""


@lru_cache(4096)
def _checked_domain(domain: str) -> _Domain | None:
    """Return a domain as it is stored; None if no address may have it."""
    try:
        checked = validate_email(f"a@{domain}", check_deliverability=False)
    except (EmailNotValidError, UnicodeError):
        return None
    forms = (domain, checked.domain, checked.ascii_domain)
    return _Domain(checked.domain, max(len(form.encode()) for form in forms))


def _checked(email: str) -> str | None:
    try:
        return validate_email(email, check_deliverability=False).normalized
    except (EmailNotValidError, UnicodeError):
        return None
