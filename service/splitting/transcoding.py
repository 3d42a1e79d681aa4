"""Stand-in: transcoding of text to UTF-8."""

import codecs

from core.reading.encodings import EncodingChoice


class Transcoder:
    """Transcodes one text that arrives in pieces of any size."""

    def __init__(self, choice: EncodingChoice) -> None:
        self.encoding = choice.encoding
        self.guessed = choice.guessed
        self.sample = choice.sample
        self._skip = choice.mark_bytes
        name = choice.encoding
        self._decoder = None if name == "utf-8" else codecs.getincrementaldecoder(name)()

    def read(self, data: bytes, *, final: bool = False) -> tuple[bytes, bool]:
        """Take the next bytes; return their text as UTF-8, and whether what follows is invalid."""
        skipped, data = data[: self._skip], data[self._skip :]
        self._skip -= len(skipped)
        if self._decoder is None:
            return data, False
        try:
            return self._decoder.decode(data, final).encode(), False
        except UnicodeDecodeError as error:
            return error.object[: error.start].decode(self.encoding).encode(), True
