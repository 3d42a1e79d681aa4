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
_NUMBER: Final = re.compile(r"\W*\d[\d.,\s]*")
_COUNTED: Final = re.compile(r"[^\d:=]+[:=]\s*\d[\d.,]*\Z")
"""As ``Members: 400``; without the colon it may be one of several, such as ``Guest 2``."""
_MAX_COUNT_WORDS: Final = 4
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

    It has no address; its first filled cell begins as footers do (``Total``, ``Number of guests:
    3``) or counts something (``3 records``), and beside it there is nothing but numbers.
    """
    text = _only_text(row)
    if not text:
        return False
    footers = vocabulary().footers
    if _NUMBER.match(text):
        return words_of(_NUMBER.sub("", text, count=1))[:1] in footers or _is_count(text)
    words = words_of(text) or words_of(text.strip("()[]"))
    if any(words[:length] in footers for length in range(1, 5) if _ends(words, length)):
        return True
    return _COUNTED.match(text) is not None and words[:-1] in vocabulary().counted


def is_count(row: Sequence[str]) -> bool:
    """Return whether a row is a number of records and nothing else, such as ``400 members``.

    No person is called so, also in a file without addresses.
    """
    text = _only_text(row)
    return _NUMBER.match(text) is not None and _is_count(text)


def _only_text(row: Sequence[str]) -> str:
    """Return the first filled cell of a row, empty if it has an address or further texts."""
    filled = [cell.strip() for cell in row if cell.strip()]
    if not filled or len(filled[0]) > _MAX_FOOTER or any("@" in cell for cell in filled):
        return ""
    return filled[0] if all(map(_is_amount, filled[1:])) else ""


def _is_count(text: str) -> bool:
    """Return whether what follows the number at the start of a text is what footers count.

    It may have further words before it, such as *active*, or after it, such as *in total*.
    """
    known, words = vocabulary(), words_of(_NUMBER.sub("", text.strip("()[]"), count=1))
    size = len(words)
    return size <= _MAX_COUNT_WORDS and any(
        (words[start:end] in known.counted or words[start:end] in known.footers)
        and _are_additions(words[:start] + words[end:])
        for start in range(size)
        for end in range(start + 1, size + 1)
    )


def _are_additions(words: tuple[str, ...]) -> bool:
    """Return whether words beside what is counted do not change that it is a count."""
    known = vocabulary()
    return all(word in known.ignored or (word,) in known.footers for word in words)


def _ends(words: tuple[str, ...], length: int) -> bool:
    """Return whether what follows the first words of a footer can follow them.

    One word that begins a footer may also be a name: then nothing but numbers may follow, or what
    is counted and its number.
    """
    rest = words[length:]
    if length > 1 or all(word.isdecimal() for word in rest) or len(rest) > 4:
        return True
    known = vocabulary()
    things = tuple(word for word in rest if not word.isdecimal())
    return len(things) < len(rest) and (
        things in known.counted
        or all((word,) in known.counted or (word,) in known.footers for word in things)
    )


def _is_amount(cell: str) -> bool:
    return not any(char.isalpha() for char in cell) or cell.casefold() in {"eur", "usd", "gbp"}
