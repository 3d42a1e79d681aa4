"""UTF-8 (RFC 3629), checked while the bytes pass."""

import codecs
from typing import Final

from config.errors import MalformedInput

BOM: Final = codecs.BOM_UTF8

_OTHER_MARKS: Final = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_UNMARKED: Final = {
    b"\0\0\0\1": "UTF-32",
    b"\1\0\0\0": "UTF-32",
    b"\0\1\0\1": "UTF-16",
    b"\1\0\1\0": "UTF-16",
}
"""Where NUL stands in the first four bytes if the text begins with ASCII (RFC 4627, 3)."""


class Utf8Check:
    """Finds the first byte that is no UTF-8, also where a character is cut in two."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    @property
    def pending(self) -> int:
        """How many bytes of a last character have come that lacks others."""
        return len(self._decoder.getstate()[0])

    def first_wrong(self, data: bytes) -> int | None:
        """Where in ``data`` the first wrong character begins; None if all may pass.

        Negative if it began in an earlier piece.
        """
        pending = self.pending
        try:
            self._decoder.decode(data)
        except UnicodeDecodeError as error:
            return error.start - pending
        return None


def refuse_other_encodings(head: bytes) -> None:
    """Raise MalformedInput if a body's first four bytes are those of UTF-16 or UTF-32."""
    marked = (name for mark, name in _OTHER_MARKS.items() if head.startswith(mark))
    unmarked = _UNMARKED.get(bytes(map(bool, head)))
    if name := next(marked, unmarked):
        raise MalformedInput(
            "wrong_encoding", f"This is {name}; only UTF-8 is taken. Convert it.", offset=0
        )
