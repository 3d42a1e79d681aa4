"""What the values of a column are: names of people, or flags, numbers, codes and other texts."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Final

from core.reading.header_text import words_of
from core.reading.people import words_about_people
from core.reading.vocabulary import joined, vocabulary

_MAX_NAME: Final = 60
"""Characters of a name; a longer text is a sentence."""
_MOSTLY: Final = 0.5
_NEARLY_ALL: Final = 0.8
_MAX_VALUES: Final = 60
_APOSTROPHES: Final = "'\u2019"
_IN_NAMES: Final = f"-.{_APOSTROPHES}\u00b4`\u00b7"
_SEPARATORS: Final = re.compile(r"[\s,]+")
_CJK_NAME: Final = re.compile(
    "[\u3400-\u9fff\u3005]{2,5}|[\u3040-\u30ff]{2,8}|[\uac00-\ud7a3]{2,4}"
)
_CYRILLIC: Final = "абвгґдеєзиіїйклмнопрстуфыэёъьћђљњџјѓќ"
_ITS_LATIN: Final = "abvggdeeziiiyklmnoprstufyee__cdlndjgk"
_IN_LATIN: Final = str.maketrans(
    dict(zip(_CYRILLIC, _ITS_LATIN, strict=True))
    | {"ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ю": "yu", "я": "ya"}  # noqa: RUF001
    | {"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"}
)
"""Letters as addresses have them: transliterated from Cyrillic, and umlauts."""


@cache
def _words(kind: str) -> frozenset[str]:
    return frozenset(words_about_people()[kind])


def is_no_name(value: str) -> bool:
    """Return whether a value cannot be a name: a flag, a number, a date, a code or an address."""
    value = value.strip()
    if not value.isascii() and value.isalpha():
        return value.casefold() in _words("flag")
    has_digits = any(map(str.isdecimal, value))
    has_letters = any(map(str.isalpha, value))
    if has_digits or not has_letters or "@" in value or "://" in value:
        return True
    return len(value) == 1 or value.casefold() in _words("flag")


def are_no_names(values: Sequence[str]) -> bool:
    """Return whether most of the filled values of a column cannot be names."""
    filled = [value for value in values if value.strip()]
    return bool(filled) and sum(map(is_no_name, filled)) > _MOSTLY * len(filled)


def are_categories(values: Sequence[str]) -> bool:
    """Return whether the values are words of a short list, such as levels or kinds of contact."""
    filled = [value.strip().casefold() for value in values if value.strip()]
    other, names = vocabulary().other, vocabulary().names
    words = [joined(words_of(value)) for value in filled]
    known = sum(word in other or word in names for word in words)
    if filled and known > _MOSTLY * len(filled):
        return True
    is_repeated = len(filled) >= 4 and len(set(filled)) <= _MOSTLY * len(filled)
    return is_repeated and sum(" " in value for value in filled) < _MOSTLY * len(filled)


def is_like_full_name(value: str) -> bool:
    """Return whether a value looks like first and last name of a person.

    That is two to five words of letters, each with a capital letter where the script has them, and
    none that companies, positions or places have.
    """
    value = value.strip()
    if not 3 <= len(value) <= _MAX_NAME or is_no_name(value):
        return False
    words = [word for word in _SEPARATORS.split(value) if word]
    if not 2 <= len(words) <= 5 or value.endswith((".", "!", "?", ":")):
        return False
    return all(map(_is_like_word_of_name, words)) and not _is_of_no_person(words)


def is_like_half(value: str) -> bool:
    """Return whether a value looks like a name of a person, whole or half."""
    words = [word for word in _SEPARATORS.split(value.strip()) if word]
    if not 1 <= len(words) <= 5 or len(value) > _MAX_NAME or is_no_name(value):
        return False
    return all(map(_is_like_word_of_name, words)) and not _is_of_no_person(words)


def are_like_names(values: Sequence[str]) -> bool:
    """Return whether nearly all filled values look like first, last or full names."""
    filled = [value for value in values if value.strip()][:_MAX_VALUES]
    return bool(filled) and sum(map(is_like_half, filled)) >= _NEARLY_ALL * len(filled)


def are_of_companies(values: Sequence[str]) -> bool:
    """Return whether at least half of the filled values have a word such as *GmbH* or *Hotel*."""
    filled = [value for value in values if value.strip()][:_MAX_VALUES]
    marked = sum(_is_of_no_person(_SEPARATORS.split(value.strip())) for value in filled)
    return bool(filled) and marked >= _MOSTLY * len(filled)


def is_like_cjk_name(value: str) -> bool:
    """Return whether a value may be a Chinese, Japanese or Korean name, written without blanks."""
    return _CJK_NAME.fullmatch(value.strip()) is not None


def name_words(value: str) -> list[set[str]]:
    """Return the words of a name as an address may have them: each in its spellings."""
    value = unicodedata.normalize("NFC", value[:_MAX_NAME]).casefold()
    return [
        {"".join(words_of(word)), "".join(words_of(word.translate(_IN_LATIN)))}
        for word in _SEPARATORS.split(value.replace("-", " "))
        if words_of(word)
    ]


def _is_like_word_of_name(word: str) -> bool:
    letters = [char for char in word if char.isalpha()]
    if not letters or not all(char.isalpha() or _is_part_of_name(char) for char in word):
        return False
    is_particle = word.casefold().partition("-")[0].rstrip(_APOSTROPHES) in _words("particle")
    return not letters[0].islower() or is_particle or word[1:2] in {*_APOSTROPHES}


def _is_part_of_name(char: str) -> bool:
    return char in _IN_NAMES or unicodedata.category(char).startswith(("M", "Cf"))


def _is_of_no_person(words: Sequence[str]) -> bool:
    other = vocabulary().other
    plain = [word.casefold().strip(".,") for word in words]
    return any(word in _words("no person") for word in plain) or all(
        word in other for word in plain
    )
