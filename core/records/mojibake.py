"""Names that another program has decoded wrongly: UTF-8 taken for Latin-1 or Windows-1252."""

import re
import unicodedata
from typing import Final

_BYTES: Final = {
    **{chr(byte): byte for byte in range(0x80, 0x100)},
    **{bytes([byte]).decode("cp1252", "ignore"): byte for byte in range(0x80, 0xA0)},
}
"""The byte that a character was, in either of the two encodings."""
_BYTES.pop("", None)
_CONTINUATIONS: Final = frozenset(char for char, byte in _BYTES.items() if byte < 0xC0)
_LEADS: Final = "\u00c2\u00c3\u00c4\u00c5\u00ce\u00cf\u00d0\u00d1"
"""First bytes of the letters of Latin, Greek and Cyrillic, as characters."""
_DAMAGED: Final = re.compile("\ufffd|[^\\W\\d_]\\?[^\\W\\d_]|[\x80-\x9f]")
_MIN_OTHER_LETTERS: Final = 2
"""Letters of another alphabet than Latin that a repaired name must have: one may be chance."""


def has_mojibake(text: str) -> bool:
    """Return whether a text has two characters whose bytes may be one character in UTF-8."""
    if text.isascii():
        return False
    for lead in _LEADS:
        at = text.find(lead)
        while at >= 0:
            if text[at + 1 : at + 2] in _CONTINUATIONS:
                return True
            at = text.find(lead, at + 1)
    return False


def repair_mojibake(text: str) -> str | None:
    """Return a name as it was before it was decoded wrongly, such as "Jürgen" for "JÃ¼rgen".

    None if it was not, or if that is not certain: all its characters must be UTF-8 when encoded
    again, and the result must be letters of Latin, or several ones of another alphabet.
    """
    if not has_mojibake(text):
        return None
    try:
        repaired = bytes(ord(char) if char.isascii() else _BYTES[char] for char in text).decode()
    except (KeyError, UnicodeDecodeError):
        return None
    foreign = [char for char in repaired if not char.isascii()]
    letters = [char for char in foreign if char.isalpha() or unicodedata.category(char) == "Mn"]
    latin = sum("LATIN" in unicodedata.name(char, "") for char in letters)
    marks = {"\u2019", "\u2013", "\u00a0", "\u2018"}
    if any(char not in marks and char not in letters for char in foreign):
        return None
    return repaired if latin == len(letters) or len(letters) - latin >= _MIN_OTHER_LETTERS else None


def looks_broken(text: str) -> bool:
    """Return whether a name has marks of wrong decoding that cannot be repaired."""
    return _DAMAGED.search(text) is not None
