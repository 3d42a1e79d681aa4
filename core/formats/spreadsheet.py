"""Cells that a spreadsheet would take for a formula, made plain text, and back.

(https://owasp.org/www-community/attacks/CSV_Injection) An apostrophe comes before the sign that
begins a formula: at the start of a cell, and also behind a line end, tab or semicolon in it, where
a cell starts for a spreadsheet that divides the file otherwise. Blanks and apostrophes in between
do not matter. So that all of it can be undone, what looks already like that gets one more.
"""

import re
from typing import Final

REJECTION_COLUMNS: Final = ("record", "code", "message", "hint")
"""What the header of a file of rejections begins with; a file with it was made plain by us."""

_STARTS: Final = r"(?:\A|(?<=[\t\r\n;]))"
# Apostrophes, and white space except what starts a cell. All of it is named in one class: a choice
# between two classes would take memory for each character of a long cell.
_SKIPPED: Final = r"['\x0b\x0c\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*"
_FORMULA: Final = rf"{_SKIPPED}[=+\-@\uff1d\uff0b\uff0d\uff20]"
_SPLITS: Final = r"\A'*[\t\r\n]"
_to_mark: Final = re.compile(rf"{_STARTS}(?={_FORMULA})|(?={_SPLITS})")
_marked: Final = re.compile(rf"{_STARTS}'(?={_FORMULA})|\A'(?='*[\t\r\n])")


def neutralised(cell: str) -> str:
    """The cell as no spreadsheet calculates it."""
    return _to_mark.sub("'", cell)


def restored(cell: str) -> str:
    """What ``neutralised`` was given; a cell without such apostrophes is left as it is."""
    return _marked.sub("", cell)
