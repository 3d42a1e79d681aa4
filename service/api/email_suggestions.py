"""Suggestions for rejected e-mail addresses where the mistake is obvious.

A suggestion is for a person to check. It is never applied automatically.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from core.emails import MAX_EMAIL, normalised_email

_PROVIDERS: Final = (
    *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "hotmail.co.uk", "hotmail.fr"),
    *("yahoo.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "icloud.com", "protonmail.com"),
    *("comcast.net", "verizon.net", "t-online.de", "freenet.de", "orange.fr", "wanadoo.fr"),
)
"""Common domains, long enough that a domain one edit away is probably a typing error."""
_REAL_DOMAINS: Final = frozenset(
    ("mail.com", "email.com", "ymail.com", "rocketmail.com", "yahoo.ca", "yahoo.es", "yahoo.it")
)
"""Existing domains that are one edit away from a provider."""
_TOP_LEVEL_TYPOS: Final = {
    **dict.fromkeys(("con", "cmo", "ocm", "vom", "xom", "cim", "cpm", "comm", "coom"), "com"),
    **dict.fromkeys(("nte", "ner", "met", "bet", "nett"), "net"),
    **dict.fromkeys(("ogr", "rog", "orgg", "prg"), "org"),
}
"""Endings that are not top-level domains, and what was meant."""
_MAX_LENGTH: Final = 2 * MAX_EMAIL

_in_brackets: Final = re.compile(r"[^<>]*<([^<>]+)>[^<>]*").fullmatch
_AT_WORDS: Final = re.compile(r"[\[({]at[\])}]|\bat\b", re.IGNORECASE)
_SPACE: Final = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]+")
_WRAPPERS: Final = " \t\r\n'\"`<>()[]{}.,;:!?|"
_MAILTO: Final = re.compile(r"^\s*mailto:(?://)?", re.IGNORECASE)


@lru_cache(8192)
def suggestion(email: str) -> str | None:
    """Return the valid address that was probably meant; None if there is no obvious one.

    It is kept for a while: who corrects rejections asks for the same ones again and again.
    """
    if len(email) > _MAX_LENGTH:
        return None
    text = email
    for repair in _REPAIRS:
        text = repair(text)
    repaired = normalised_email(text)
    return None if repaired == email else repaired


def _unwrap(text: str) -> str:
    """Remove what an address book or a link puts around an address."""
    text = text.strip(_WRAPPERS)
    if inner := _in_brackets(f"{text}>" if "<" in text else text):
        text = inner[1]
    return _MAILTO.sub("", text).strip(_WRAPPERS)


def _repair_at(text: str) -> str:
    """Replace "(at)" and repeated @."""
    if "@" not in text:
        text = _AT_WORDS.sub("@", text, count=1)
    return re.sub("@+", "@", text)


def _remove_space(text: str) -> str:
    return _SPACE.sub("", text)


def _repair_dots(text: str) -> str:
    """Replace commas by dots, and remove repeated dots and dots beside the @."""
    text = re.sub(r"[.,;:]+", ".", text)
    return text.replace(".@", "@").replace("@.", "@")


def _insert_at(text: str) -> str:
    """Insert a missing @ before the domain of a provider."""
    if "@" in text:
        return text
    domain = max((name for name in _PROVIDERS if text.lower().endswith(name)), key=len, default="")
    local = text[: len(text) - len(domain)].rstrip(".")
    # A 2 before the domain may stand for the @ on the same key, or belong to the name.
    return text if not domain or local.endswith("2") else f"{local}@{domain}"


def _repair_domain(text: str) -> str:
    """Correct a typing error in the domain of a provider or in the top-level domain."""
    local, at, domain = text.rpartition("@")
    domain = domain.lower()
    if not at or domain in _REAL_DOMAINS or domain in _PROVIDERS:
        return text
    domain = next((name for name in _PROVIDERS if _is_one_edit(domain, name)), domain)
    head, dot, ending = domain.rpartition(".")
    return f"{local}@{head}{dot}{_TOP_LEVEL_TYPOS.get(ending, ending)}"


def _is_one_edit(a: str, b: str) -> bool:
    """Whether one letter is replaced, missing or added, or two adjacent ones are swapped."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    if start is None:
        return len(a) != len(b)
    a, b = a[start:], b[start:]
    return a[1:] == b[1:] or a == b[1:] or a[1:] == b or (a[:2] == b[1::-1] and a[2:] == b[2:])


_REPAIRS: Final[tuple[Callable[[str], str], ...]] = (
    _unwrap,
    _repair_at,
    _remove_space,
    _repair_dots,
    _insert_at,
    _repair_domain,
)
