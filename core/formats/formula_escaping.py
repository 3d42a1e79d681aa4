"""Escapes cells that a spreadsheet would run as a formula, and restores them.

CSV injection: https://owasp.org/www-community/attacks/CSV_Injection. An apostrophe is inserted
before whatever starts a formula: at the start of a cell, and also after a line end, tab or
semicolon inside it, where a cell starts for a spreadsheet that splits the file differently. White
space, apostrophes and invisible characters before the formula do not prevent it. Text that already
looks escaped gets one more apostrophe, so that every cell can be restored.
"""

import re
from typing import Final

REJECTION_COLUMNS: Final = ("record", "code", "message", "hint")
"""The first columns of a file of rejections; a file with this header was escaped by us."""

_CELL_START: Final = r"(?:\A|(?<=[\t\r\n;]))"
# Apostrophes, white space except what starts a cell, and characters that are not seen, such as a
# zero width space. All of it is in one class: a choice between two classes would take memory for
# each character of a long cell.
_SKIPPED: Final = (
    r"['\x0b\x0c\x1c-\x20\x85\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"
    r"\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb]*"
)
_FORMULA: Final = rf"{_SKIPPED}[=+\-@\uff1d\uff0b\uff0d\uff20]"
_SPLIT_AT_START: Final = r"\A'*[\t\r\n]"
_to_escape: Final = re.compile(rf"{_CELL_START}(?={_FORMULA})|(?={_SPLIT_AT_START})")
_escaped: Final = re.compile(rf"{_CELL_START}'(?={_FORMULA})|\A'(?='*[\t\r\n])")


def escape_formulas(cell: str) -> str:
    """Return the cell so that no spreadsheet runs any of it as a formula."""
    return _to_escape.sub("'", cell)


def unescape_formulas(cell: str) -> str:
    """Return what ``escape_formulas`` was given; a cell that is not escaped stays as it is."""
    return _escaped.sub("", cell)
