"""Text in the encodings of spreadsheets, as UTF-8. What is UTF-8 already passes as it is.

Where nobody has named the encoding, a mark at the beginning tells it, or the zeros of UTF-16. Else
the text is ASCII up to some character, and that one decides: if its bytes have the form of UTF-8,
all of it must be UTF-8; if not, it is Windows-1252, in which no character may look like UTF-8 then.
A text that is neither for sure is refused, rather than names spoilt.
"""

import codecs
import re
from typing import Final, Protocol

from core.errors import MalformedInputError
from core.formats.encoding import check_not_compressed, detect_encoding
from service.splitting.dialect import UTF_8, UTF_16, UTF_16_BE, UTF_16_LE, WINDOWS_1252

_HEAD_BYTES: Final = 4
_WIDE: Final = frozenset({UTF_16_LE, UTF_16_BE})
_OTHER: Final = re.compile(rb"[\x80-\xff]")
# Also what only looks so, such as half a surrogate pair: to call it Windows-1252 would be a guess.
_LIKE_UTF8: Final = re.compile(
    rb"[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf7][\x80-\xbf]{3}"
)
_CUT: Final = re.compile(rb"(?:[\xc0-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf7][\x80-\xbf]{0,2})\Z")
_LONGEST_CUT: Final = 3


class _Reader(Protocol):
    """Makes UTF-8 of one encoding."""

    @property
    def encoding(self) -> str:
        """What it takes the text for."""
        ...

    def read(self, data: bytes, *, final: bool) -> tuple[bytes, bool]:
        """What is text, and whether there is something behind it that is none."""
        ...


class Transcoder:
    """One text, which comes in pieces of any size."""

    def __init__(self, charset: str | None) -> None:
        """``charset`` is the encoding as the client has named it; see dialect."""
        self._charset = charset
        self._head = b""
        self._reader: _Reader | None = None

    @property
    def encoding(self) -> str:
        """What the text turned out to be, as far as it has come."""
        return self._reader.encoding if self._reader else UTF_8

    def read(self, data: bytes, *, final: bool = False) -> tuple[bytes, bool]:
        """The text of the next bytes as UTF-8, and whether what follows is no text.

        Raises MalformedInputError (``wrong_encoding``) if the text begins with another encoding's mark.
        """
        if self._reader is None:
            data = self._head = self._head + data
            if len(data) < _HEAD_BYTES and not final:
                return b"", False
            check_not_compressed(data)
            self._reader, mark = _reader_for(data[:_HEAD_BYTES], self._charset)
            data = data[mark:]
        return self._reader.read(data, final=final)


def _reader_for(head: bytes, charset: str | None) -> tuple[_Reader, int]:
    """Who reads a text that begins so, and how many bytes of it are but a mark."""
    found, mark = detect_encoding(head)
    if charset == UTF_16:
        charset = found if found in _WIDE else UTF_16_LE
    if charset and mark and found != charset:
        raise MalformedInputError(
            "wrong_encoding", f"The file is named as {charset} and marked as {found}.", offset=0
        )
    encoding = charset or found
    if encoding in _WIDE or encoding == WINDOWS_1252:
        return _Decoding(encoding), mark
    return (_AsIs() if encoding else _Guessing()), 0


class _AsIs:
    """Leaves the text to whoever checks UTF-8 anyway."""

    encoding: str = UTF_8

    def read(self, data: bytes, *, final: bool) -> tuple[bytes, bool]:  # noqa: ARG002
        """See _Reader."""
        return data, False


class _Decoding:
    """Knows the encoding."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def read(self, data: bytes, *, final: bool) -> tuple[bytes, bool]:
        """See _Reader."""
        try:
            return self._decoder.decode(data, final).encode(), False
        except UnicodeDecodeError as error:
            return error.object[: error.start].decode(self.encoding).encode(), True


class _Guessing:
    """Reads ASCII until the first other character decides."""

    def __init__(self) -> None:
        self._then: _AsIs | _Windows | None = None
        self._held = b""

    @property
    def encoding(self) -> str:
        """See _Reader."""
        return self._then.encoding if self._then else UTF_8

    def read(self, data: bytes, *, final: bool) -> tuple[bytes, bool]:
        """See _Reader."""
        if self._then is None:
            data, self._held = self._held + data, b""
            if data.isascii():
                return data, False
            first = _first_other(data)
            if _CUT.match(data, first) and not final:
                self._held = data[first:]
                return data[:first], False
            self._then = _AsIs() if _is_like_utf8(data, first) else _Windows()
        return self._then.read(data, final=final)


def _first_other(data: bytes) -> int:
    found = _OTHER.search(data)
    return found.start() if found else len(data)


def _is_like_utf8(data: bytes, at: int) -> bool:
    """Also a character that is cut off by the text's end: it could be either, and is refused."""
    return bool(_LIKE_UTF8.match(data, at) or _CUT.match(data, at))


class _Windows:
    """Has found Windows-1252, and stays suspicious."""

    encoding: str = WINDOWS_1252

    def __init__(self) -> None:
        self._reading = _Decoding(WINDOWS_1252)
        self._held = b""

    def read(self, data: bytes, *, final: bool) -> tuple[bytes, bool]:
        """See _Reader."""
        data = self._held + data
        cut = None if final else _CUT.search(data, max(0, len(data) - _LONGEST_CUT))
        end = cut.start() if cut else len(data)
        self._held = data[end:]
        mixed = _LIKE_UTF8.search(data, 0, end)
        text, wrong = self._reading.read(data[: mixed.start() if mixed else end], final=final)
        return text, wrong or mixed is not None
