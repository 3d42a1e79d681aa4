"""The name of a contact: the full name or its halves, repaired, without marks for nothing."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from core.reading.rows import is_null_name
from core.reading.warnings import NAME_BROKEN, NAME_DROPPED, NAME_REPAIRED
from core.records.models import Candidates
from core.records.mojibake import looks_broken, repair_mojibake
from core.records.rejection_reasons import (
    MAX_NAME,
    NAME_NOT_TEXT,
    NAME_TOO_LONG,
    UNSTORABLE_TEXT,
    Reason,
)

_QUOTES: Final = {"\u201c": "\u201d", "\u201e": "\u201c\u201d", "\u00ab": "\u00bb", '"': '"'}
_LINE_BREAKS: Final = re.compile(r"[\r\n\t\x0b\x0c\u2028\u2029]+")


def read_name(
    candidates: Candidates,
    beside_address: str = "",
    *,
    family_name_first: bool,
    is_marked_text: bool = False,
) -> tuple[str, list[str]] | Reason:
    """Return the name of a record with the codes of its warnings, or why it cannot be stored.

    The first full name that stands for something counts, else first and last name joined, else
    the name that stands ``beside_address``, as in ``Ada Lovelace <ada@example.com>``.
    """
    warnings: list[str] = []
    texts = _read_full_name(candidates.names, warnings)
    if not texts and texts is not None and (candidates.first_names or candidates.last_names):
        texts = _read_halves(candidates, warnings)
    if texts is None:
        return NAME_NOT_TEXT
    if family_name_first:
        texts.reverse()
    joined = " ".join(texts)
    name = repair_name(
        " ".join(map(repair_name, texts)) if len(texts) > 1 else joined,
        is_marked_text=is_marked_text,
    )
    if name != joined:
        warnings.append(NAME_REPAIRED)
    name = name or repair_name(beside_address)
    if len(name) > MAX_NAME:
        return NAME_TOO_LONG
    if not is_storable(name):
        return UNSTORABLE_TEXT
    if looks_broken(name):
        warnings.append(NAME_BROKEN)
    return name, warnings


def _read_full_name(values: Sequence[object], warnings: list[str]) -> list[str] | None:
    """Return the first full name that stands for something, as a list; None if it is not text."""
    for value in values:
        text = _as_text(value)
        if text is None:
            return None
        if text and is_null_name(text):
            warnings.append(NAME_DROPPED)
        elif text:
            return [text]
    return []


def _read_halves(candidates: Candidates, warnings: list[str]) -> list[str] | None:
    """Return first and last name where they stand for something; None if one is not text."""
    first, last = _filled(candidates.first_names), _filled(candidates.last_names)
    if first is None or last is None:
        return None
    halves = [
        next((text for text in texts if not _is_null_half(text, "".join(others[:1]))), "")
        for texts, others in ((first, last), (last, first))
    ]
    if all(halves) and all(map(is_null_name, halves)):
        halves = []
    kept = [half for half in halves if half]
    if len(kept) < bool(first) + bool(last) or kept != [*first[:1], *last[:1]]:
        warnings.append(NAME_DROPPED)
    return kept


def _filled(values: Sequence[object]) -> list[str] | None:
    """Return the values that are not empty, trimmed; None for anything but text."""
    texts = [_as_text(value) for value in values]
    return None if None in texts else [text for text in texts if text]


def _is_null_half(text: str, other: str) -> bool:
    r"""Return whether half a name stands for none, such as ``NULL`` or ``\N``.

    ``Null`` and ``None`` are names when they are written like the other half, or as names are.
    """
    is_like_a_name = text.isalpha() and (
        text.istitle() or (text.isupper() and other.isupper() and not is_null_name(other))
    )
    return is_null_name(text) and not is_like_a_name


def _as_text(value: object) -> str | None:
    """Return trimmed text, of whole numbers too; empty for null, None for anything else."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def repair_name(text: str, *, is_marked_text: bool = False) -> str:
    """Return a trimmed name without what does not belong to it.

    Removed are quotes around it, characters without width at its ends, NUL at its end, and if
    ``is_marked_text``, the apostrophe with which spreadsheets mark text. Line breaks become blanks.
    A name that was decoded wrongly is decoded again, where that is certain.
    """
    name = text
    if not name.isprintable():
        name = _strip_format_characters(name.strip().strip("\0"))
        lines = [line.strip(" \t") for line in _LINE_BREAKS.split(name)]
        name = " ".join(filter(None, lines)) if len(lines) > 1 else name
    name = name.strip()
    if name.startswith('="') and name.endswith('"'):
        name = name[1:]
    while len(name) > 2 and name[-1] in _QUOTES.get(name[0], ""):
        inner = name[1:-1]
        if name[0] in inner or name[-1] in inner:
            break
        name = inner.strip()
    if is_marked_text:
        name = name.removeprefix("'").strip()
    return repair_mojibake(name) or name


def is_storable(text: str) -> bool:
    """Return whether Postgres can store a text: neither NUL nor lone surrogates."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _strip_format_characters(text: str) -> str:
    start, end = 0, len(text)
    while start < end and _is_edge(text[start]):
        start += 1
    while end > start and _is_edge(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_edge(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) == "Cf"
