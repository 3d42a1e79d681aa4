"""What an address that was refused may have been meant to be, where that is plain.

A guess for a person to look at, never applied by ourselves.
"""

import re
from collections.abc import Callable
from typing import Final

from core.emails import MAX_EMAIL, normalised_email

_PROVIDERS: Final = (
    *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "hotmail.co.uk", "hotmail.fr"),
    *("yahoo.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "icloud.com", "protonmail.com"),
    *("comcast.net", "verizon.net", "t-online.de", "freenet.de", "orange.fr", "wanadoo.fr"),
)
"""Domains that many people have, long enough for a neighbour to be a slip."""
_NO_SLIPS: Final = frozenset(
    ("mail.com", "email.com", "ymail.com", "rocketmail.com", "yahoo.ca", "yahoo.es", "yahoo.it")
)
"""Domains that look like one, but are somebody's."""
_ENDINGS: Final = {
    **dict.fromkeys(("con", "cmo", "ocm", "vom", "xom", "cim", "cpm", "comm", "coom"), "com"),
    **dict.fromkeys(("nte", "ner", "met", "bet", "nett"), "net"),
    **dict.fromkeys(("ogr", "rog", "orgg", "prg"), "org"),
}
"""What is no top-level domain, and the one that it is a slip of."""
_LONGEST: Final = 2 * MAX_EMAIL

_in_brackets: Final = re.compile(r"[^<>]*<([^<>]+)>[^<>]*").fullmatch
_written_at: Final = re.compile(r"[\[({]at[\])}]|\bat\b", re.IGNORECASE)
_SPACE: Final = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]+")
_AROUND: Final = " \t\r\n'\"`<>()[]{}.,;:!?|"


def suggestion(email: str) -> str | None:
    """A valid address that is not this one; None where there is nothing plain to suggest."""
    if len(email) > _LONGEST:
        return None
    text = email
    for repair in _REPAIRS:
        text = repair(text)
    found = normalised_email(text)
    return None if found is None or found == email else found


def _bare(text: str) -> str:
    """Without what an address book or a link puts around it."""
    text = text.strip(_AROUND)
    if inner := _in_brackets(f"{text}>" if "<" in text else text):
        text = inner[1]
    return re.sub(r"^\s*mailto:(?://)?", "", text, flags=re.IGNORECASE).strip(_AROUND)


def _with_at(text: str) -> str:
    if "@" not in text:
        text = _written_at.sub("@", text, count=1)
    return re.sub("@+", "@", text)


def _without_space(text: str) -> str:
    return _SPACE.sub("", text)


def _dotted(text: str) -> str:
    """Dots where commas are, one at a time, and none beside the @."""
    text = re.sub(r"[.,;:]+", ".", text)
    return text.replace(".@", "@").replace("@.", "@")


def _divided(text: str) -> str:
    """With the @ that is missing before the name of a provider."""
    if "@" in text:
        return text
    ending = max((one for one in _PROVIDERS if text.lower().endswith(one)), key=len, default="")
    local = text[: len(text) - len(ending)].rstrip(".")
    # With a 2 it is open whether that was the @ on the same key.
    return text if not ending or local.endswith("2") else f"{local}@{ending}"


def _at_a_provider(text: str) -> str:
    """With the slip in the domain taken back."""
    local, at, domain = text.rpartition("@")
    domain = domain.lower()
    if not at or domain in _NO_SLIPS or domain in _PROVIDERS:
        return text
    meant = next((one for one in _PROVIDERS if _is_slip(domain, one)), domain)
    head, dot, ending = meant.rpartition(".")
    return f"{local}@{head}{dot}{_ENDINGS.get(ending, ending)}"


def _is_slip(seen: str, meant: str) -> bool:
    """Whether one letter is wrong, missing or too many, or two neighbours have changed places."""
    if abs(len(seen) - len(meant)) > 1:
        return False
    start = next((at for at, (a, b) in enumerate(zip(seen, meant, strict=False)) if a != b), None)
    if start is None:
        return len(seen) != len(meant)
    a, b = seen[start:], meant[start:]
    return a[1:] == b[1:] or a == b[1:] or a[1:] == b or (a[:2] == b[1::-1] and a[2:] == b[2:])


_REPAIRS: Final[tuple[Callable[[str], str], ...]] = (
    _bare,
    _with_at,
    _without_space,
    _dotted,
    _divided,
    _at_a_provider,
)
