"""Which of many names need no reading one by one: those that are stored as they are.

Each check looks at a whole column as one text, and only if that fails at each name. It may find
too many, and never too few.
"""

import re
from collections.abc import Sequence
from typing import Final

from core.reading.rows import NULL_NAMES
from core.records.mojibake import has_mojibake

_QUESTION_MARK: Final = re.compile(r"[^\W\d_]\?[^\W\d_]")
_SPECIAL_STARTS: Final = ('"', '="', "\u201c", "\u201e", "\u00ab")
"""Beginnings of names that ``repair_name`` may change."""


def unusual_names(names: Sequence[str]) -> set[int]:
    """Return the positions of names that ``read_name`` may change, reject or warn about.

    Those that are too long are not among them: that is seen where halves are joined.

    Printable text has no NUL, no lone surrogate, and no white space other than blanks.
    """
    text = f"|{'|'.join(names)}|"
    found: set[int] = set()
    if not text.isprintable():
        found.update(at for at, name in enumerate(names) if not name.isprintable())
    if " |" in text or "| " in text:
        found.update(at for at, name in enumerate(names) if name != name.strip())
    if not NULL_NAMES.isdisjoint(names):
        found.update(at for at, name in enumerate(names) if name in NULL_NAMES)
    if '"' in text:
        found.update(at for at, name in enumerate(names) if name.startswith(_SPECIAL_STARTS))
    if "?" in text and _QUESTION_MARK.search(text):
        found.update(at for at, name in enumerate(names) if _QUESTION_MARK.search(name))
    if not text.isascii() and _may_be_damaged(text):
        found.update(at for at, name in enumerate(names) if _may_be_damaged(f"|{name}|"))
    return found


def _may_be_damaged(text: str) -> bool:
    """Return whether names in other letters than ASCII, between bars, may need a repair."""
    return (
        any(f"|{start}" in text for start in _SPECIAL_STARTS[2:])
        or "\ufffd" in text
        or has_mojibake(text)
    )
