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
_CONTINUATION: Final = (
    "[" + "".join(re.escape(char) for char, byte in _BYTES.items() if 0x80 <= byte < 0xC0) + "]"
)
find_mojibake: Final = re.compile(
    f"[\u00c2-\u00df]{_CONTINUATION}|[\u00e0-\u00ef]{_CONTINUATION}{{2}}"
    f"|[\u00f0-\u00f4]{_CONTINUATION}{{3}}"
).search
"""Finds characters whose bytes are one character in UTF-8."""
_DAMAGED: Final = re.compile("\ufffd|[^\\W\\d_]\\?[^\\W\\d_]|[\x80-\x9f]")
_MIN_OTHER_LETTERS: Final = 2
"""Letters of another alphabet than Latin that a repaired name must have: one may be chance."""


def repair_mojibake(text: str) -> str | None:
    """Return a name as it was before it was decoded wrongly, such as "Jürgen" for "JÃ¼rgen".

    None if it was not, or if that is not certain: all its characters must be UTF-8 when encoded
    again, and the result must be letters of Latin, or several ones of another alphabet.
    """
    if find_mojibake(text) is None:
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
