"""Transcoding of text from the encodings of spreadsheets to UTF-8; UTF-8 passes unchanged.

If the client does not name the encoding, a byte order mark or the zeros of UTF-16 do. Otherwise the
text is ASCII up to some character, which decides: if its bytes have the form of UTF-8, all of the
text must be UTF-8; if not, it is Windows-1252, and no later character may have the form of UTF-8. A
text that is not certainly one of them is an error: a guess would corrupt names.
"""

import codecs
import re
from typing import Final, Protocol

from core.errors import MalformedInputError
from core.formats.encoding import check_not_compressed, detect_encoding
from service.splitting.dialect import UTF_8, UTF_16, UTF_16_BE, UTF_16_LE, WINDOWS_1252

_HEAD_BYTES: Final = 4
_UTF_16_ENCODINGS: Final = frozenset({UTF_16_LE, UTF_16_BE})
_ASCII: Final = bytes(range(0x80))
# Includes invalid forms, such as half a surrogate pair: to call them Windows-1252 would be a guess.
_LIKE_UTF8: Final = re.compile(
    rb"[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf7][\x80-\xbf]{3}"
)
_CUT_CHARACTER: Final = re.compile(
    rb"(?:[\xc0-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf7][\x80-\xbf]{0,2})\Z"
)
_MAX_CUT_BYTES: Final = 3


class Transcoder:
    """Transcodes one text that arrives in pieces of any size."""

    def __init__(self, charset: str | None) -> None:
        """``charset`` is the encoding that the client names, as in Dialect."""
        self._charset = charset
        self._head = b""
        self._decoder: _Decoder | None = None

    @property
    def encoding(self) -> str:
        """The encoding of the text so far."""
        return self._decoder.encoding if self._decoder else UTF_8

    def read(self, data: bytes, *, final: bool = False) -> tuple[bytes, bool]:
        """Take the next bytes; return their text as UTF-8, and whether what follows it is invalid.

        Raises MalformedInputError (``wrong_encoding``) if the byte order mark is that of another
        encoding than the client names.
        """
        if self._decoder is None:
            data = self._head = self._head + data
            if len(data) < _HEAD_BYTES and not final:
                return b"", False
            check_not_compressed(data)
            self._decoder, mark_bytes = _decoder_for(data[:_HEAD_BYTES], self._charset)
            data = data[mark_bytes:]
        return self._decoder.read(data, final=final)


def _decoder_for(head: bytes, charset: str | None) -> tuple["_Decoder", int]:
    """Return the decoder of a text that begins so, and the size of a mark that it must not get."""
    detected, mark_bytes = detect_encoding(head)
    if charset == UTF_16:
        charset = detected if detected in _UTF_16_ENCODINGS else UTF_16_LE
    if charset and mark_bytes and detected != charset:
        raise MalformedInputError(
            "wrong_encoding",
            f"The file is named as {charset}, but its byte order mark is that of {detected}.",
            offset=0,
        )
    encoding = charset or detected
    if encoding in _UTF_16_ENCODINGS or encoding == WINDOWS_1252:
        return _KnownEncoding(encoding), mark_bytes
    return (_Unchanged() if encoding else _Detection()), 0


class _Decoder(Protocol):
    """Decodes a text of one encoding."""

    @property
    def encoding(self) -> str:
        """The encoding of the text so far."""
        ...

    def read(self, data: bytes, *, final: bool) -> tuple[bytes, bool]:
        """Return text as UTF-8, and whether what follows it is invalid."""
        ...


class _Unchanged:
    """Passes the text on: the splitter checks UTF-8 in any case."""

    encoding: str = UTF_8

    def read(self, data: bytes, *, final: bool) -> tuple[bytes, bool]:  # noqa: ARG002
        """Return the bytes."""
        return data, False


class _KnownEncoding:
    """Decodes an encoding that is named or marked."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()

    def read(self, data: bytes, *, final: bool) -> tuple[bytes, bool]:
        """Return the text before the first invalid byte."""
        try:
            return self._decoder.decode(data, final).encode(), False
        except UnicodeDecodeError as error:
            return error.object[: error.start].decode(self.encoding).encode(), True


class _Detection:
    """Passes ASCII on until the first other character decides between UTF-8 and Windows-1252."""

    def __init__(self) -> None:
        self._decided: _Unchanged | _Windows1252 | None = None
        self._held = b""

    @property
    def encoding(self) -> str:
        """UTF-8 until another encoding is detected."""
        return self._decided.encoding if self._decided else UTF_8

    def read(self, data: bytes, *, final: bool) -> tuple[bytes, bool]:
        """Return the text, without a first character that is cut off at the end of the bytes."""
        if self._decided is None:
            data, self._held = self._held + data, b""
            if data.isascii():
                return data, False
            first = len(data) - len(data.lstrip(_ASCII))
            is_cut = _CUT_CHARACTER.match(data, first)
            if is_cut and not final:
                self._held = data[first:]
                return data[:first], False
            # A character that the text's end cuts off could be either: as UTF-8 it is an error.
            is_utf8 = is_cut or _LIKE_UTF8.match(data, first)
            self._decided = _Unchanged() if is_utf8 else _Windows1252()
        return self._decided.read(data, final=final)


class _Windows1252:
    """Decodes a text that was detected as Windows-1252, unless a character looks like UTF-8."""

    encoding: str = WINDOWS_1252

    def __init__(self) -> None:
        self._decoder = _KnownEncoding(WINDOWS_1252)
        self._held = b""

    def read(self, data: bytes, *, final: bool) -> tuple[bytes, bool]:
        """Return the text, without a last character that may be the beginning of UTF-8."""
        data = self._held + data
        cut = None if final else _CUT_CHARACTER.search(data, max(0, len(data) - _MAX_CUT_BYTES))
        end = cut.start() if cut else len(data)
        self._held = data[end:]
        like_utf8 = _LIKE_UTF8.search(data, 0, end)
        text, is_invalid = self._decoder.read(
            data[: like_utf8.start() if like_utf8 else end], final=final
        )
        return text, is_invalid or like_utf8 is not None
