"""How a text reads in each code page, and how likely that is: by the letters of languages.

Any bytes can be decoded by most code pages. A name that is decoded by the wrong one has symbols
inside words, upper case after lower case, and letters that no one language has together. Each
reading gets the logarithm of its probability, given the language in which it is most likely; the
difference of two readings says how much more likely one of them is.
"""

import csv
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import AnyStr, Final

from core.reading.vocabulary import words_by_language

WINDOWS_1252: Final = "windows-1252"
_FILE: Final = Path(__file__).with_name("languages.tsv")
_MULTI_BYTE: Final = ("cp932", "euc-jp", "gb18030", "cp950", "cp949")
_USUAL: Final = {
    WINDOWS_1252: 6.0,
    "cp850": -1.0,
    "cp852": -1.0,
    "cp866": -1.0,
    "koi8-r": -1.0,
    "koi8-u": -1.5,
    "mac-roman": -2.0,
    "iso8859-5": -2.0,
    "iso8859-2": -1.0,
    "iso8859-7": -1.0,
    "iso8859-15": -1.0,
}
"""How much more or less likely a code page is than the others, before the text is looked at."""

_MAX_BYTES: Final = 256 * 1024
_MAX_WORDS: Final = 150
"""Distinct words that are looked at: twenty decide, and each is read in seventy ways."""
_MAX_CHARACTERS: Final = 1500
"""And their characters together."""
_MAX_WORD: Final = 60
"""Characters of a word that are looked at."""
_SEPARATORS: Final = r"\s,;|\"()<>\[\]{}/\\@:=+*&#%_\-"
_BYTE_WORD: Final = re.compile(rb"[^" + _SEPARATORS.encode() + rb"]+")
_WORD: Final = re.compile(rf"[^{_SEPARATORS}\u2013\u2014\u3000]+")
_AROUND: Final = (
    "'\u2018\u2019\u201c\u201d\u201e\u201a\u00ab\u00bb\u2039\u203a\u00bf\u00a1.!?\u2026\u00b7\u00a0"
)
_AFTER: Final = "\u2122\u00ae\u00a9\u00ba\u00aa\u00b0\u00b2\u00b3\u20ac\u00a3"
_NUMBER: Final = re.compile(
    r"[\d.,'\u2019\u20ac\u00a3\u00a5$\u00a2\u00a7\u00b0\u00b1\u00bc\u00bd\u00be\u2030\u00d7\u00b2\u00b3\u00ba\u00aa]+"
)
_MARKS: Final = frozenset(f"{_AROUND}{_AFTER}`\u00b4")
"""Marks that words may have around them or inside."""

# Logarithms of probabilities.
_OF_NEIGHBOUR: Final = math.log(0.001)
"""A letter of another language that is written in the same code page."""
_UNKNOWN: Final = math.log(0.0004)
"""A letter of no language of the code page."""
_SYMBOL: Final = math.log(0.00005)
"""Something that is neither a letter nor a usual mark."""
_MARK: Final = math.log(0.0005)
"""A mark that is not ASCII, such as a quotation mark."""
_WRONG_CASE: Final = math.log(0.002)
"""A capital inside a word that has small letters."""
_OTHER_SCRIPT: Final = math.log(0.002)
"""A Latin letter in a word of another alphabet."""
_UNSEEN_PAIR: Final = -1.0
"""A pair of letters that the words of a language do not have: their list is short."""
_OTHER_LANGUAGE: Final = math.log(0.06)
"""A word of another language than most words of the text."""
_KNOWN_HEADER: Final = 6.0
_PRIOR_COUNT: Final = 2.0
"""How often each letter counts as used, before the few words of a language are looked at."""
_USUAL_SHARE: Final = 0.8
_MANY: Final = 3000
"""Of the characters of a language that has thousands: the usual ones together, and all."""
_CJK: Final = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "KATAKANA-HIRAGANA", "FULLWIDTH"})


@dataclass(frozen=True)
class _Language:
    """How often each letter is used, beside those of ASCII."""

    name: str
    code_pages: tuple[str, ...]
    letters: dict[str, float]
    """Logarithms of the shares of small letters."""
    follows: dict[str, float]
    """The same of pairs of a letter and the one after it, of which one is not ASCII."""
    is_latin: bool


@dataclass(frozen=True)
class Reading:
    """A text as it reads in one code page."""

    encoding: str
    score: float
    """Logarithm of its probability, but for a constant."""
    evidence: float
    """The same by the text alone, however usual the code page is."""
    per_byte: float
    """The same of one byte that is not ASCII, on average."""
    words: tuple[str, ...]
    """The distinct words with other characters than those of ASCII, in order."""

    def sample(self, max_length: int) -> str:
        """Return the first words, so many characters at most."""
        sample = ""
        for word in filter(None, map(_trimmed, self.words)):
            if len(sample) + len(word) >= max_length:
                break
            sample = f"{sample} {word}".strip()
        return sample


def readings(
    text: bytes, header_languages: Mapping[str, Counter[str]], *, complete: bool
) -> list[Reading]:
    """Return how a text reads in each code page in which it is valid, the most likely one first.

    If it is not ``complete``, its last character may be cut. ``header_languages`` has for a code
    page the languages of the names of columns with foreign letters that are known in it, with their
    numbers. The work is bounded: by the first bytes of the text, and by its distinct words.
    """
    complete = complete and len(text) <= _MAX_BYTES
    text = text[:_MAX_BYTES]
    byte_words = _byte_words(text)
    found: list[Reading] = []
    for encoding in CANDIDATES:
        words = (
            _multi_byte_words(text, encoding, complete=complete)
            if encoding in _MULTI_BYTE
            else _decoded(byte_words, encoding)
        )
        if not words:
            continue
        size = sum(len(word.encode(encoding, "ignore")) for word in words)
        evidence, likelihood = _likelihood(words, encoding, header_languages.get(encoding, {}))
        score = evidence + _USUAL.get(encoding, 0.0)
        found.append(Reading(encoding, score, evidence, likelihood / max(1, size), tuple(words)))
    return sorted(found, key=lambda each: -each.score)


def _byte_words(text: bytes) -> list[bytes]:
    return _distinct(match[0] for match in _BYTE_WORD.finditer(text))


def _distinct(found: Iterable[AnyStr]) -> list[AnyStr]:
    """Return the first words that are not ASCII, each once and without its end if it is long."""
    words: dict[AnyStr, None] = {}
    left = _MAX_CHARACTERS
    for word in found:
        if not word.isascii() and word[:_MAX_WORD] not in words:
            words[word[:_MAX_WORD]] = None
            left -= len(word[:_MAX_WORD])
            if len(words) == _MAX_WORDS or left <= 0:
                break
    return list(words)


def _decoded(words: Iterable[bytes], encoding: str) -> list[str] | None:
    """Return the words in a code page of one byte a character; None if a byte is invalid in it."""
    try:
        return [each.decode(encoding) for each in words]
    except UnicodeDecodeError:
        return None


def _multi_byte_words(text: bytes, encoding: str, *, complete: bool) -> list[str] | None:
    decoded = _decode(text, encoding, complete=complete)
    if decoded is None:
        return None
    return _distinct(match[0] for match in _WORD.finditer(decoded))


def _decode(text: bytes, encoding: str, *, complete: bool) -> str | None:
    """Return a text, without a last character that may be cut; None if it is invalid."""
    for cut in range(1 if complete else 4):
        try:
            return text[: len(text) - cut].decode(encoding)
        except UnicodeDecodeError as error:
            if error.start < len(text) - 4:
                return None
    return None


def _trimmed(word: str) -> str:
    """Return a word without marks around it; empty if it is ASCII then, or a number."""
    word = word.strip(_AROUND).rstrip(_AFTER)
    return "" if word.isascii() or _NUMBER.fullmatch(word) else word


def _likelihood(
    words: Sequence[str], encoding: str, headers: Mapping[str, int]
) -> tuple[float, float]:
    """Return the logarithm of the probability of words in a code page, with and without headers.

    A list has most of its words from one language, and some from others of the same code page. The
    names of columns are those of its language.
    """
    languages = [each for each in _languages() if encoding in each.code_pages]
    by_language = [[_of_word(word, each) for word in words] for each in languages]
    best = [max(each) + _OTHER_LANGUAGE for each in zip(*by_language, strict=True)]
    found = []
    for language, of_language in zip(languages, by_language, strict=True):
        likelihood = sum(map(max, of_language, best))
        known = headers.get(language.name.partition("-")[0], 0)
        found.append((likelihood + _KNOWN_HEADER * known, likelihood))
    return max(found)


def _of_word(word: str, language: _Language) -> float:
    """Return the logarithm of the probability of a word's foreign letters, in their places."""
    total = 0.0
    small = word.lower()
    for before, char in pairwise(f" {word}"):
        if not char.isascii():
            total += _of_letter(char, language)
        elif not language.is_latin and char.isalpha() and not before.isascii():
            total += _OTHER_SCRIPT
    if language.follows:
        pairs = map("".join, pairwise(f"^{small.strip(_AROUND)}$"))
        total += sum(
            language.follows.get(pair, _UNSEEN_PAIR) for pair in pairs if not pair.isascii()
        )
    has_capital_inside = word != small and any(
        char.isupper() and before.isalpha() and not (char + before).isascii()
        for before, char in pairwise(word)
    )
    return total + (_WRONG_CASE if has_capital_inside and not word.isupper() else 0.0)


def _of_letter(char: str, language: _Language) -> float:
    found = language.letters.get(char.lower())
    if found is not None:
        return found
    if char in _MARKS:
        return _MARK
    category = unicodedata.category(char)
    if category[0] not in "LM":
        return _SYMBOL
    if category == "Lo" and unicodedata.name(char, "").partition(" ")[0] in _CJK:
        return _UNKNOWN
    return (
        _OF_NEIGHBOUR
        if char.lower() in _letters_by_code_page()[language.code_pages[0]]
        else _UNKNOWN
    )


@cache
def _letters_by_code_page() -> dict[str, frozenset[str]]:
    letters: dict[str, set[str]] = {}
    for language in _languages():
        for encoding in language.code_pages:
            letters.setdefault(encoding, set()).update(language.letters)
    return {encoding: frozenset(each) for encoding, each in letters.items()}


@cache
def _languages() -> tuple[_Language, ...]:
    with _FILE.open(encoding="utf-8", newline="") as file:
        lines = (line for line in file if not line.startswith("#"))
        rows = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return tuple(_language(*row) for row in rows)


def _language(name: str, code_pages: str, letters: str, words: str) -> _Language:
    pages = tuple(code_pages.split())
    if pages[0] in _MULTI_BYTE:
        return _Language(name, pages, _shares_of_many(letters, pages[0]), {}, is_latin=False)
    also = words_by_language().get(name, "")
    small = f"{words} {also}".lower().split()
    used = Counter(char for word in small for char in word if not char.isascii())
    total = sum(used.values()) + _PRIOR_COUNT * len(letters)
    shares = {char: math.log((used[char] + _PRIOR_COUNT) / total) for char in letters}
    pairs = Counter(pair for word in small for pair in map("".join, pairwise(f"^{word}$")))
    follows = {pair: 0.0 for pair in pairs if not pair.isascii()}
    return _Language(name, pages, shares, follows, is_latin=_is_latin(letters))


def _is_latin(letters: str) -> bool:
    return unicodedata.name(letters[0], "").startswith("LATIN")


def _shares_of_many(usual: str, encoding: str) -> dict[str, float]:
    """Return the shares of the usual characters, and of all others that the code page has first."""
    rare = math.log((1 - _USUAL_SHARE) / _MANY)
    shares = dict.fromkeys(_first_characters(encoding), rare)
    shares |= dict.fromkeys(usual, math.log(_USUAL_SHARE / len(usual)))
    if encoding == "cp932":
        kana = [chr(code) for code in range(0x3041, 0x30FF)]
        half_width = [chr(code) for code in range(0xFF66, 0xFFA0)]
        shares |= dict.fromkeys((*kana, *half_width), math.log(1 / 120))
    return shares


def _first_characters(encoding: str) -> Iterator[str]:
    """Yield the usual half of a code page's characters, which its first rows have."""
    rows = {"cp932": (0x88, 0x98), "gb18030": (0xB0, 0xD8), "cp950": (0xA4, 0xC7)}
    first, end = rows.get(encoding, (0xB0, 0xC9))
    for lead in range(first, end):
        for trail in range(0x40, 0xFF):
            char = bytes((lead, trail)).decode(encoding, "ignore")
            if len(char) == 1 and char.isalpha():
                yield char


CANDIDATES: Final = (
    *("windows-1252", "windows-1250", "windows-1251", "windows-1253", "windows-1254"),
    *("windows-1255", "windows-1256", "windows-1257", "cp874", "iso8859-2", "iso8859-15"),
    *("koi8-r", "koi8-u", "cp866", "cp850", "cp852", "mac-roman", "iso8859-5", "iso8859-7"),
    *_MULTI_BYTE,
)
"""Code pages that a list may be in."""
