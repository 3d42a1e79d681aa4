"""Transcoding of text to UTF-8, as it arrives; UTF-8 passes unchanged."""

import codecs
import re
from typing import Final

from core.reading.encodings import UTF_8, WINDOWS_1252, EncodingChoice, choose_by_text

_LOOKAHEAD_BYTES: Final = 64 * 1024
"""Bytes from the first foreign character on that decide about the encoding, as a sample does."""
_HEADER_BYTES: Final = 4096
_WORD_BYTES: Final = 200
_FOREIGN: Final = re.compile(rb"[\x80-\xff]")
_LIKE_UTF_8: Final = re.compile(
    rb"[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf7][\x80-\xbf]{3}"
)
_CUT_CHARACTER: Final = re.compile(
    rb"(?:[\xc0-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf7][\x80-\xbf]{0,2})\Z"
)
_MAX_CUT_BYTES: Final = 3


class Transcoder:
    """Transcodes one text that arrives in pieces of any size.

    If the sample of the text was only ASCII, the first foreign character decides, with the text
    after it: that is held back until there is enough of it.
    """

    def __init__(self, choice: EncodingChoice) -> None:
        self._choice = choice
        self._skip = choice.mark_bytes
        self._undecided = choice.undecided
        self._header = b""
        self._recent = b""
        """The end of the text so far, in which the first foreign word may begin."""
        self._held = b""
        self._decoder = None if choice.undecided else _Decoder(choice)

    @property
    def encoding(self) -> str:
        """The encoding of the text so far."""
        return self._choice.encoding

    @property
    def guessed(self) -> bool:
        """Whether it was neither named nor certain."""
        return self._choice.guessed

    @property
    def sample(self) -> str:
        """Where it was guessed: a text with foreign letters, as it reads."""
        return self._choice.sample

    def may_decide(self, data: bytes) -> bool:
        """Return whether ``read`` may decide now, which takes up to a tenth of a second."""
        return self._decoder is None and (bool(self._held) or not data.isascii())

    def read(self, data: bytes, *, final: bool = False) -> tuple[bytes, bool]:
        """Take the next bytes; return their text as UTF-8, and whether what follows is invalid.

        Raises MalformedInputError (``encoding_uncertain``) as ``choose_encoding`` does.
        """
        skipped, data = data[: self._skip], data[self._skip :]
        self._skip -= len(skipped)
        if self._decoder is not None:
            return self._decoder.read(data, final=final)
        if not self._held and data.isascii():
            self._pass_ascii(data)
            return data, False
        return self._decide(data, final=final)

    def _pass_ascii(self, data: bytes) -> None:
        """Keep what decides about the first foreign character, however the text is cut."""
        if len(self._header) < _HEADER_BYTES:
            self._header = (self._header + data)[:_HEADER_BYTES]
        self._recent = (self._recent + data[-_WORD_BYTES:])[-_WORD_BYTES:]

    def _decide(self, data: bytes, *, final: bool) -> tuple[bytes, bool]:
        """Hold text back from the first foreign character on, until it can be decided about."""
        ascii_text = b""
        if not self._held:
            first = _FOREIGN.search(data)
            start = first.start() if first else len(data)
            ascii_text, data = data[:start], data[start:]
            self._pass_ascii(ascii_text)
        self._held += data
        if len(self._held) < _LOOKAHEAD_BYTES and not final:
            return ascii_text, False
        word = re.split(rb"[\s,;|\"\t]", self._recent)[-1]
        sample = word + self._held[:_LOOKAHEAD_BYTES]
        is_complete = final and len(self._held) <= _LOOKAHEAD_BYTES
        self._choice = choose_by_text(sample, self._header, complete=is_complete)
        self._decoder = _Decoder(self._choice)
        held, self._held = self._held, b""
        text, is_invalid = self._decoder.read(held, final=final)
        return ascii_text + text, is_invalid


class _Decoder:
    """Decodes a text of one encoding.

    In a text whose encoding was guessed nothing may look like UTF-8: it would be a mixture.
    """

    def __init__(self, choice: EncodingChoice) -> None:
        self._encoding = choice.encoding
        self._is_guessed_western = choice.guessed and choice.encoding == WINDOWS_1252
        self._held = b""
        self._is_utf_8 = choice.encoding == UTF_8
        self._decode_text = codecs.getincrementaldecoder(choice.encoding)().decode

    def read(self, data: bytes, *, final: bool) -> tuple[bytes, bool]:
        """Return the text before the first invalid byte, and whether there is one."""
        if self._is_utf_8:  # the splitter checks UTF-8 in any case
            return data, False
        if not self._is_guessed_western:
            return self._decode(data, final=final)
        data = self._held + data
        cut = None if final else _CUT_CHARACTER.search(data, max(0, len(data) - _MAX_CUT_BYTES))
        end = cut.start() if cut else len(data)
        self._held = data[end:]
        mixed = _LIKE_UTF_8.search(data, 0, end)
        text, is_invalid = self._decode(data[: mixed.start() if mixed else end], final=final)
        return text, is_invalid or mixed is not None

    def _decode(self, data: bytes, *, final: bool) -> tuple[bytes, bool]:
        try:
            return self._decode_text(data, final).encode(), False
        except UnicodeDecodeError as error:
            return error.object[: error.start].decode(self._encoding).encode(), True
