"""Whether a text is possible in a code page: by its words, since any bytes can be decoded.

Names that are decoded by the wrong code page have symbols inside words, upper case after lower
case, letters of no one alphabet, or nothing but foreign letters.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice, pairwise
from typing import Final

CANDIDATES: Final = (
    *("windows-1252", "windows-1250", "windows-1251", "windows-1253", "windows-1254"),
    *("windows-1255", "windows-1256", "windows-1257", "cp874", "iso8859-2", "iso8859-15"),
    *("koi8-r", "koi8-u", "cp866", "cp850", "cp852", "mac-roman", "iso8859-5", "iso8859-7"),
    *("cp932", "euc-jp", "gb18030", "cp950", "cp949"),
)
"""Code pages that a list may be in, the more usual one before another one like it."""

MAX_WORDS: Final = 2000
"""Words with foreign letters that are looked at."""
_TOLERATED: Final = 0.02
"""Share of impossible words that a Western list may have, such as trade marks."""
_COMPARED: Final = 400
"""Characters by which two readings are compared."""
_MAX_BYTES: Final = 256 * 1024

LATIN: Final = frozenset(
    {"windows-1252", "windows-1250", "windows-1254", "windows-1257", "iso8859-2", "iso8859-15"}
    | {"cp850", "cp852", "mac-roman"}
)
"""Code pages of Latin letters."""
_WORD: Final = re.compile(r"[^\s,;|\"()<>\[\]{}/\\@:=+*&#%_\-\u2013\u2014]+")
_AROUND: Final = (
    "'\u2018\u2019\u201c\u201d\u201e\u201a\u00ab\u00bb\u2039\u203a\u00bf\u00a1.!?\u2026\u00b7"
)
_AFTER: Final = "\u2122\u00ae\u00a9\u00ba\u00aa\u00b0\u00b2\u00b3\u20ac\u00a3"
_NUMBER: Final = re.compile(
    r"[\d.,'\u2019\u20ac\u00a3\u00a5$\u00a2\u00a7\u00b0\u00b1\u00bc\u00bd\u00be\u2030\u00d7\u00b2\u00b3\u00ba\u00aa]+"
)

_VOWELS: Final = frozenset("аеёиоуыэюяіїєъѣ")
_CYRILLIC: Final = re.compile("[\u0430-\u045f\u0491]")
_FEWEST_LETTERS: Final = 12
"""Cyrillic letters of a text in which the share of vowels says something."""
_USUAL_VOWELS: Final = (0.33, 0.58)
_UNUSUAL: Final = 0.5

_ALPHABETS: Final = tuple(
    frozenset(letters)
    for letters in (
        "äöüß",
        "àâæçéèêëîïôœùûüÿ",  # French
        "áéíñóúüïç",  # Spanish
        "áàâãçéêíóôõúüñ",  # Portuguese
        "àèéìíîòóùú",  # Italian
        "àçèéíïòóúü",  # Catalan
        "áàâäéèêëíïóôöúüûç",  # Dutch
        "æøåéèêóòôäöü",  # Danish, Norwegian
        "åäöéèüàšž",  # Swedish, Finnish
        "áðéíóúýþæö",  # Icelandic
        "äöüõšž",  # Estonian
        "âêîôûëïöÿ",  # Welsh
    )
)
_IMPOSSIBLE: Final = (
    "ñ[^aeiouáéíóúü]",  # n with an acute of Polish: Spanish has a vowel after this one
    "æ$|iæ|[ao]æ",  # c with an acute
    "œ[^u]|œ$",  # s with an acute
    "ã[^oe]",  # a with a breve of Romanian
    "õ[^e]|õ$",  # o with a double acute of Hungarian
    "(?:^|[zysftvkn])û",  # u with a double acute
    "[aou]è$|^[^è]*[bdfgkmnpstvz]ì[a-z]|^ì",  # c and e with a caron
    "ø[ií]|iø|øe[^r]",  # r with a caron
    "ê[bcdgkz]|[rsc]z.*ê|ê.*(?:[rsc]z|ski)",  # e with an ogonek
    "ù[^$]*[^n']$",  # u with a ring
    "[ðþ].*[çü]|[çü].*[ðþ]|^þ[aei]|[aeiouöü]þ",  # g with a breve, s with a cedilla of Turkish
    "ý.*ý|ý[lk]|[kyhczg]ý|[^n]ý$|[dtks]ýn",  # i without a dot
)
_SUSPICIOUS: Final = re.compile("|".join(_IMPOSSIBLE))
"""Letters of Windows-1252 where no word of its languages has them, but one of another code page."""


def is_plausible(text: bytes, encoding: str) -> bool:
    """Return whether the words of a text are possible in a code page."""
    return suspicion(text, encoding) <= _TOLERATED


@lru_cache(maxsize=64)
def suspicion(text: bytes, encoding: str) -> float:
    """Return the share of the words with foreign letters that are impossible in a code page.

    2.0 if the bytes are invalid in it.
    """
    decoded = _decode(text, encoding)
    if decoded is None:
        return 2.0
    words = list(islice(_foreign_words(decoded), MAX_WORDS))
    if not words:
        return 0.0
    if encoding not in LATIN:
        bad = sum(not _is_word_of_one_script(word) for word in words)
        return max(bad / len(words), 0.0 if _has_usual_vowels(words) else _UNUSUAL)
    bad = sum(not _is_latin_word(word, encoding) for word in words)
    all_foreign = sum(len(word) > 2 and not any(map(str.isascii, word)) for word in words)
    if 2 * all_foreign >= len(words):
        bad = max(bad, all_foreign)
    return bad / len(words)


def only_reading(text: bytes) -> str | None:
    """Return the code page of another alphabet than Latin in which alone a text is possible.

    None if there is no such one, or if it reads differently in several ones.
    """
    readings: dict[str, str] = {}
    for encoding in CANDIDATES:
        if is_plausible(text, encoding):
            readings.setdefault(sample_words(text, encoding, _COMPARED), encoding)
    encodings = list(readings.values())
    return encodings[0] if len(encodings) == 1 and encodings[0] not in LATIN else None


def sample_words(text: bytes, encoding: str, max_length: int) -> str:
    """Return the first words with foreign letters, as they read in a code page."""
    decoded = _decode(text, encoding) or text.decode(encoding, "replace")
    sample = ""
    for word in dict.fromkeys(islice(_foreign_words(decoded), 20)):
        if len(sample) + len(word) >= max_length:
            break
        sample = f"{sample} {word}".strip()
    return sample


def _decode(text: bytes, encoding: str) -> str | None:
    """Return a text, perhaps without a last character that is cut; None if it is invalid."""
    text = text[:_MAX_BYTES]
    for cut in range(4):
        try:
            return text[: len(text) - cut].decode(encoding)
        except UnicodeDecodeError as error:
            if error.start < len(text) - 4:
                return None
    return None


def _foreign_words(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text):
        word = match[0].strip(_AROUND)
        if not word.isascii() and _NUMBER.fullmatch(word) is None:
            yield word


def _has_usual_vowels(words: list[str]) -> bool:
    """Return whether Cyrillic words have about as many vowels as words have."""
    letters = _CYRILLIC.findall("".join(words).lower())
    if len(letters) < _FEWEST_LETTERS:
        return True
    least, most = _USUAL_VOWELS
    return least <= sum(letter in _VOWELS for letter in letters) / len(letters) <= most


def _is_latin_word(word: str, encoding: str) -> bool:
    """Return whether a word is possible in a language that is written in Latin letters."""
    word = word.rstrip(_AFTER)
    for part in re.split("[\u2019'.\u00b7\u2018]", word):
        foreign = [char for char in part if not char.isascii()]
        if not all(char.isalpha() and "LATIN" in unicodedata.name(char, "") for char in foreign):
            return False
        if _changes_case(part):
            return False
        if encoding == "windows-1252" and foreign and not _is_western(part.lower()):
            return False
    return True


def _is_western(word: str) -> bool:
    foreign = {char for char in word if not char.isascii()}
    return any(foreign <= alphabet for alphabet in _ALPHABETS) and not _SUSPICIOUS.search(word)


def _changes_case(word: str) -> bool:
    """Return whether a foreign letter is in upper case after one in lower case, or next to it."""
    for before, after in pairwise(word):
        is_foreign = not (before.isascii() and after.isascii())
        if is_foreign and before.islower() and after.isupper():
            return True
    return (
        len(word) > 2
        and any(char.isupper() and not char.isascii() for char in word[1:])
        and any(char.islower() for char in word[1:])
    )


def _is_word_of_one_script(word: str) -> bool:
    """Return whether a word has letters of one alphabet only, in a case that names have."""
    letters = word.rstrip(_AFTER)
    scripts = set()
    for char in letters:
        category = unicodedata.category(char)
        if category[0] == "M" or (char.isascii() and char in "'.-"):
            continue
        if category[0] not in "LN":
            return False
        scripts.add(unicodedata.name(char, "?").partition(" ")[0])
    if scripts & {"CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH", "FULLWIDTH"}:
        scripts -= {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "FULLWIDTH"}
        return len(scripts) <= 1
    return len(scripts) == 1 and not _changes_case(letters)
