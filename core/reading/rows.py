"""Rows and values that are not what they seem: footers, repeated headers, marks for nothing."""

import re
from collections.abc import Sequence
from typing import Final

from core.reading.header_text import words_of
from core.reading.vocabulary import vocabulary

_NULL_WORDS: Final = (
    *(
        "\\n",
        "null",
        "nan",
        "n/a",
        "#n/a",
        "none",
        "-",
        "--",
        "---",
        "undefined",
        "(null)",
        "(none)",
    ),
    *("undefined undefined", "null null", "none none", "nan nan", "n/a n/a", "unknown", "?", "??"),
    *("(unknown)", "(blank)", "(empty)", "<null>", "#value!", "#ref!", "#name?", ".", "n.a."),
)
NULL_NAMES: Final = frozenset(
    form for word in _NULL_WORDS for form in (word, word.upper(), word.title(), word.capitalize())
)
"""Texts that as a whole full name stand for none. No name of a person is here: Null and Na are
family names."""
_NO_ADDRESS_MARKS: Final = re.compile(r"[\s\-_.,;:/\\|*?!#~+=()<>\[\]]*")
_NUMBER_OF: Final = re.compile(r"\W*\d[\d.,\s]*\s*(?P<what>[^\W\d_]+)")
_MAX_FOOTER: Final = 200


def is_no_address(text: str) -> bool:
    """Return whether a text stands in place of an address that is missing, such as ``N/A``."""
    plain = text.strip().casefold()
    return len(plain) <= 40 and (
        plain in vocabulary().no_values or _NO_ADDRESS_MARKS.fullmatch(plain) is not None
    )


def is_null_name(text: str) -> bool:
    """Return whether a full name as a whole stands for none, such as ``NULL``."""
    return text in NULL_NAMES


def is_repeated_header(row: Sequence[str], header: Sequence[str]) -> bool:
    """Return whether a row of a CSV file is its header once more."""
    if not row or len(row) > len(header) or any("@" in cell for cell in row):
        return False
    if list(row) == list(header[: len(row)]):
        return any(header)
    cells, names = [words_of(cell) for cell in row], [words_of(cell) for cell in header]
    while names and not names[-1]:
        names.pop()
    while cells and not cells[-1]:
        cells.pop()
    return bool(cells) and cells == names


def is_footer(row: Sequence[str]) -> bool:
    """Return whether a row of a CSV file is a total or a note, and no record.

    It has no address; its first filled cell begins as footers do (``Total``, ``3 records``), and
    beside it there is nothing but numbers.
    """
    filled = [cell.strip() for cell in row if cell.strip()]
    if not filled or len(filled[0]) > _MAX_FOOTER or any("@" in cell for cell in filled):
        return False
    if not all(_is_amount(cell) for cell in filled[1:]):
        return False
    footers = vocabulary().footers
    words = words_of(filled[0]) or words_of(filled[0].strip("()[]"))
    if (number := _NUMBER_OF.match(filled[0])) is not None:
        return words_of(number["what"]) in footers
    return any(words[:length] in footers for length in range(1, 5) if _ends(words, length))


def _ends(words: tuple[str, ...], length: int) -> bool:
    """Return whether what follows the first words of a footer can follow them.

    One word that begins a footer may also be a name: then nothing but numbers may follow.
    """
    rest = words[length:]
    return length > 1 or all(word.isdecimal() for word in rest) or len(rest) > 4


def _is_amount(cell: str) -> bool:
    return not any(char.isalpha() for char in cell) or cell.casefold() in {"eur", "usd", "gbp"}
