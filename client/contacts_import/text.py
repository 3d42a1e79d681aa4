"""Text of files and of the service, for a terminal: made harmless, and aligned in columns."""

import shlex
import unicodedata
from collections.abc import Sequence
from typing import Final

_GAP: Final = "  "
_ELLIPSIS: Final = "…"


def printable(text: str) -> str:
    """Return a text in one line, without characters that would control the terminal.

    Invisible characters are left out, also those that change the direction of the text.
    """
    return "".join(_printable(character) for character in " ".join(text.split()))


def quoted(text: str) -> str:
    """Return a text as one argument of a command, as a person can copy it into a shell."""
    return shlex.quote(text)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines in which the cells of each column stand under each other, made printable."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    return [
        _GAP.join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]


def shortened(text: str, max_width: int) -> str:
    """Return a printable text of at most ``max_width`` positions; an ellipsis ends a cut one."""
    text = printable(text)
    if _width(text) <= max_width:
        return text
    kept, width = "", _width(_ELLIPSIS)
    for character in text:
        width += _width(character)
        if width > max_width:
            break
        kept += character
    return kept + _ELLIPSIS


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return "" if unicodedata.category(character) == "Cf" else "\ufffd"


def _width(text: str) -> int:
    """Return how many positions of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF")
        for each in text
    )
