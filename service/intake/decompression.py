"""Decompression of bodies and files as they arrive, in small steps and within limits.

gzip (RFC 1952) with any number of members, and Zstandard (RFC 8878) with any number of frames. The
text is stored decompressed, since workers read ranges of it.
"""

import zlib
from collections.abc import Iterator
from typing import Final, Protocol

from core.zstandard import zstd
from service.problems import ProblemError

GZIP: Final = "gzip"
ZSTD: Final = "zstd"

STEP_BYTES: Final = 64 * 1024
"""Most bytes that one step yields: a millisecond or less."""
FREE_BYTES: Final = 10 * 1024 * 1024
"""Decompressed bytes that are allowed whatever the ratio."""
FREE_STREAMS: Final = 1000
"""Members or frames that are allowed however small they are."""
_STREAM_BYTES: Final = 256
"""Mean size that members or frames beyond FREE_STREAMS need: to start one is slow."""
_MAX_WINDOW_LOG: Final = 23
"""Windows, which are kept in memory, of at most 8 MiB, as RFC 9659 says for content codings."""

_CONTENT_ENCODINGS: Final = {"gzip": GZIP, "x-gzip": GZIP, "zstd": ZSTD}
_IDENTITY: Final = frozenset({"", "identity"})
_SUFFIXES: Final = {".gz": GZIP, ".gzip": GZIP, ".zst": ZSTD, ".zstd": ZSTD}


def compression_of(content_encoding: str | None) -> str | None:
    """Return the compression that a ``Content-Encoding`` names; None for none.

    Raises ProblemError (``unsupported_encoding``) for any other.
    """
    name = (content_encoding or "").strip().lower()
    if name in _IDENTITY:
        return None
    if name not in _CONTENT_ENCODINGS:
        raise ProblemError(
            "unsupported_encoding",
            "Send it uncompressed, or compressed once, with gzip or zstd.",
            headers={"Accept-Encoding": f"{GZIP}, {ZSTD}"},  # RFC 7694
        )
    return _CONTENT_ENCODINGS[name]


def compression_by_suffix(suffix: str) -> str | None:
    """Return the compression of a file whose name has this suffix; None for none."""
    return _SUFFIXES.get(suffix.lower())


class Decompressor:
    """Decompresses one text that arrives in pieces of any size."""

    def __init__(self, compression: str, *, max_bytes: int, max_ratio: int) -> None:
        """``max_ratio`` limits how many times larger the text may be, beyond FREE_BYTES."""
        self._compression = compression
        self._max_bytes = max_bytes
        self._max_ratio = max_ratio
        self._stream: _Stream | None = None
        self._streams = 0
        self._is_padded = False
        self._bytes_in = 0
        self._bytes_out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes; yields the text in them in steps of at most STEP_BYTES, or b"".

        Raises ProblemError if the data is damaged or the text too large.
        """
        self._bytes_in += len(data)
        while data:
            if self._stream is None:
                data = self._without_padding(data)
                self._stream = self._next_stream(self._bytes_in - len(data)) if data else None
            else:
                yield self._step(self._stream, data)
                while not (self._stream.eof or self._stream.needs_input):
                    yield self._step(self._stream, b"")
                data = self._stream.unused_data
                self._stream = None if self._stream.eof else self._stream

    @property
    def is_at_end(self) -> bool:
        """Whether the input so far is complete."""
        return self._stream is None and self._streams > 0

    def close(self) -> None:
        """End the input; raises ProblemError if it is incomplete."""
        if not self.is_at_end:
            raise self._malformed("ends too early")

    def _without_padding(self, data: bytes) -> bytes:
        """Remove zeros after a gzip member: tapes fill blocks up with them."""
        rest = data.lstrip(b"\0") if self._streams and self._compression == GZIP else data
        self._is_padded = self._is_padded or len(rest) < len(data)
        if self._is_padded and rest:
            raise self._malformed("is followed by other data")
        return rest

    def _next_stream(self, offset: int) -> "_Stream":
        """Return a decompressor for the member or frame that begins at this offset."""
        self._streams += 1
        if self._streams > FREE_STREAMS + offset // _STREAM_BYTES:
            raise self._malformed("has too many small members or frames")
        if self._compression == GZIP:
            return _GzipMember()
        options = {int(zstd.DecompressionParameter.window_log_max): _MAX_WINDOW_LOG}
        return zstd.ZstdDecompressor(options=options)

    def _step(self, stream: "_Stream", data: bytes) -> bytes:
        try:
            text = stream.decompress(data, STEP_BYTES)
        except zlib.error:
            raise self._malformed("is damaged, or followed by other data") from None
        except zstd.ZstdError as error:
            if "too much memory" in str(error):
                raise ProblemError(
                    "unsupported_encoding",
                    f"Its window has over {2**_MAX_WINDOW_LOG} bytes: compress it without --long "
                    "and --ultra.",
                ) from None
            raise self._malformed("is damaged, or followed by other data") from None
        self._bytes_out += len(text)
        if self._bytes_out > self._max_bytes:
            raise ProblemError(
                "body_too_large", f"Decompressed it has over {self._max_bytes} bytes."
            )
        if self._bytes_out > max(FREE_BYTES, self._max_ratio * self._bytes_in):
            raise ProblemError(
                "compression_ratio_too_high",
                f"Decompressed it is over {self._max_ratio} times as large. Send it uncompressed.",
            )
        return text

    def _malformed(self, what: str) -> ProblemError:
        return ProblemError("malformed_compression", f"The {self._compression} stream {what}.")


class _Stream(Protocol):
    """Decompressor of one member or frame, as zstd.ZstdDecompressor and _GzipMember are."""

    @property
    def eof(self) -> bool:
        """Whether its end was reached."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether ``decompress`` returns nothing more without further input."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Input after the end."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take input; return at most ``max_length`` bytes of the text."""
        ...


class _GzipMember:
    """Gives zlib's decompressor the interface of Zstandard's."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """Whether the member's end was reached."""
        return self._member.eof

    @property
    def unused_data(self) -> bytes:
        """Input after the member."""
        return self._member.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take input; return at most ``max_length`` bytes of the text."""
        text = self._member.decompress(self._member.unconsumed_tail + data, max_length)
        # If the output is full, zlib may hold more back.
        self.needs_input = len(text) < max_length and not self._member.unconsumed_tail
        return text
