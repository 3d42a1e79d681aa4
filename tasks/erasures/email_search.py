"""Finds an e-mail address in the text of a record, however the record is written."""

import re
import unicodedata
from typing import Final

_escapes: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
"""Escapes of JSON strings."""


class EmailSearch:
    """Searches texts for one address, in letters of either case.

    Another address that only ends or begins with it, such as ``x.ada@example.com`` or
    ``ada@example.com.au`` for ``ada@example.com``, is not taken for it.
    """

    def __init__(self, email: str) -> None:
        self._email = _folded(email)
        self._search = re.compile(rf"(?<![\w.+%&~-]){re.escape(self._email)}(?![\w-]|\.\w)").search

    def is_in(self, text: str) -> bool:
        """Return whether a text has the address, as it is or with the escapes of JSON."""
        if self._is_in(text):
            return True
        return "\\" in text and self._is_in(_unescaped(text))

    def _is_in(self, text: str) -> bool:
        folded = _folded(text)
        return self._email in folded and self._search(folded) is not None


def _folded(text: str) -> str:
    """Return a text in which letters that differ only in case or composition are the same."""
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).casefold()


def _unescaped(text: str) -> str:
    """Return a text with the characters that JSON has escaped; blanks in place of marks.

    The text may be cut off anywhere, so it is not parsed.
    """
    units = _escapes.sub(lambda escape: chr(int(escape[1], 16)) if escape[1] else " ", text)
    return units.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
