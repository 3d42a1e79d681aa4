"""The encoding of a text: its detection, and validation of UTF-8 (RFC 3629) in a stream."""

import codecs
from typing import Final

from core.errors import MalformedInputError

BOM: Final = codecs.BOM_UTF8

# The marks of UTF-32 come first: the one of UTF-32LE starts with the one of UTF-16LE.
_BYTE_ORDER_MARKS: Final = {
    codecs.BOM_UTF32_LE: "utf-32le",
    codecs.BOM_UTF32_BE: "utf-32be",
    codecs.BOM_UTF16_LE: "utf-16le",
    codecs.BOM_UTF16_BE: "utf-16be",
    BOM: "utf-8",
}
_NUL_PATTERNS: Final = {
    b"\0\0\0\1": "utf-32be",
    b"\1\0\0\0": "utf-32le",
    b"\0\1\0\1": "utf-16be",
    b"\1\0\1\0": "utf-16le",
}
"""Which of the first four bytes are NUL (0) if the text starts with ASCII (RFC 4627, section 3)."""
_COMPRESSION_SIGNATURES: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""No text in any encoding starts with these bytes."""


class Utf8Validator:
    """Finds the first byte that is not UTF-8, also where a character is cut between two pieces."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    @property
    def pending(self) -> int:
        """Number of bytes at the end that belong to an incomplete character."""
        return len(self._decoder.getstate()[0])

    def first_invalid(self, data: bytes) -> int | None:
        """Return where in ``data`` the first invalid character starts; None if all are valid.

        The position is negative if the character started in an earlier piece.
        """
        pending = self.pending
        try:
            self._decoder.decode(data)
        except UnicodeDecodeError as error:
            return error.start - pending
        return None


def detect_encoding(head: bytes) -> tuple[str | None, int]:
    """Return the encoding of a text by its first four bytes, and the size of its byte order mark.

    The encoding is None if these bytes do not show it; it is not UTF-16 or UTF-32 then.
    """
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding, len(mark)
    return _NUL_PATTERNS.get(bytes(map(bool, head))), 0


def check_not_compressed(head: bytes) -> None:
    """Raise MalformedInputError if a body is compressed although its headers do not say so."""
    for signature, name in _COMPRESSION_SIGNATURES.items():
        if head.startswith(signature):
            raise MalformedInputError(
                "wrong_encoding",
                f"The body is compressed: send it with Content-Encoding: {name}.",
                offset=0,
            )
