"""The text of a column's name, reduced to what it means: its words, without accents and marks."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

MAX_HEADER_LENGTH: Final = 200
"""Characters of a name that are looked at."""

_REMARK: Final = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|<[^<>]*>|【[^【】]*】")
_CAMEL_CASE: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NUMBER: Final = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_WORD: Final = re.compile(r"[^\W_]+")
_UNDECOMPOSED: Final = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "æ": "ae", "œ": "oe", "ё": "е"}  # noqa: RUF001
)
"""Letters that Unicode does not decompose into a letter and an accent."""


@lru_cache(maxsize=4096)
def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a name, in lower case and without accents.

    Words are divided by blanks, punctuation, a change from lower to upper case, and between letters
    and digits. Remarks in brackets are left out, unless there is nothing else.
    """
    text = plain_text(text)
    without_remarks = _REMARK.sub(" ", text)
    return _words(without_remarks) or _words(text)


@lru_cache(maxsize=4096)
def remark_of(text: str) -> tuple[str, ...]:
    """Return the words of the remarks in brackets, such as those of ``Name (First)``."""
    return tuple(word for remark in _REMARK.findall(plain_text(text)) for word in _words(remark))


def plain_text(text: str) -> str:
    """Return a text after NFKC and without format characters, such as marks and zero widths."""
    text = unicodedata.normalize("NFKC", text[:MAX_HEADER_LENGTH])
    if text.isascii():
        return text
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(_without_accents(_NUMBER.sub(" ", _CAMEL_CASE.sub(" ", text)))))


def _without_accents(text: str) -> str:
    text = text.casefold()
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFD", text.translate(_UNDECOMPOSED))
    kept = (char for char in decomposed if not unicodedata.category(char).startswith("M"))
    return unicodedata.normalize("NFC", "".join(kept))
