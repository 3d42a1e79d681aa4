"""UTF-8 (RFC 3629), checked while the bytes pass."""

import codecs
from typing import Final

from core.errors import MalformedInputError

BOM: Final = codecs.BOM_UTF8

_MARKS: Final = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16le",
    codecs.BOM_UTF16_BE: "utf-16be",
    BOM: "utf-8",
}
_UNMARKED: Final = {
    b"\0\0\0\1": "utf-32",
    b"\1\0\0\0": "utf-32",
    b"\0\1\0\1": "utf-16be",
    b"\1\0\1\0": "utf-16le",
}
"""Where NUL stands in the first four bytes if the text begins with ASCII (RFC 4627, 3)."""
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""What begins so is no text in any encoding."""


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


def sniffed(head: bytes) -> tuple[str | None, int]:
    """The encoding of a text that begins with these four bytes, and the size of its mark.

    None if they do not tell: it is no UTF-16 or UTF-32 then, as far as one can see.
    """
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding, len(mark)
    return _UNMARKED.get(bytes(map(bool, head))), 0


def refuse_other_encodings(head: bytes) -> None:
    """Raise MalformedInputError if a body's first four bytes are those of UTF-16 or UTF-32."""
    refuse_compressed(head)
    encoding, _ = sniffed(head)
    if encoding not in {None, "utf-8"}:
        name = str(encoding)[: len("utf-16")].upper()
        raise MalformedInputError(
            "wrong_encoding", f"This is {name}; only UTF-8 is taken. Convert it.", offset=0
        )


def refuse_compressed(head: bytes) -> None:
    """Raise MalformedInputError if a body is compressed and nobody has said so."""
    for magic, name in _COMPRESSED.items():
        if head.startswith(magic):
            raise MalformedInputError(
                "wrong_encoding",
                f"This is compressed: send it with Content-Encoding: {name}.",
                offset=0,
            )
