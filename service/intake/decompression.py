"""Compressed bodies and files, unpacked as they come, in small steps and within bounds.

gzip (RFC 1952), of any number of members, and Zstandard (RFC 8878), of any number of frames. What
is stored is the text: workers read ranges of it.
"""

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Final, Protocol

from core.zstandard import zstd
from service.fair_scheduling import TimeSlice
from service.problems import ProblemError

GZIP: Final = "gzip"
ZSTD: Final = "zstd"

STEP_BYTES: Final = 64 * 1024
"""How much is unpacked at a time: a millisecond or less."""
FREE_BYTES: Final = 10 * 1024 * 1024
"""So much may come out whatever the ratio."""
FREE_STREAMS: Final = 1000
"""So many members or frames may come however small they are, and besides ..."""
_STREAM_BYTES: Final = 256
"""... as many as have this size on average: to begin one takes more time than to unpack that."""
_MAX_WINDOW_LOG: Final = 23
"""Windows of at most 8 MiB, as RFC 9659 has it for the content coding: they are kept in memory."""
_NAMES: Final = {"gzip": GZIP, "x-gzip": GZIP, "zstd": ZSTD}
_IDENTITY: Final = frozenset({"", "identity"})
_ENDINGS: Final = {".gz": GZIP, ".gzip": GZIP, ".zst": ZSTD, ".zstd": ZSTD}


def compression_of(content_encoding: str | None) -> str | None:
    """What a ``Content-Encoding`` means, None if nothing; raises ProblemError if it is not taken."""
    name = (content_encoding or "").strip().lower()
    if name in _IDENTITY:
        return None
    if name not in _NAMES:
        raise ProblemError(
            "unsupported_encoding",
            "Send it as it is, or compressed once, with gzip or zstd.",
            headers={"Accept-Encoding": f"{GZIP}, {ZSTD}"},  # RFC 7694
        )
    return _NAMES[name]


def compression_by_ending(ending: str) -> str | None:
    """What a file is compressed with that is named so; None if it is not."""
    return _ENDINGS.get(ending.lower())


async def unpacked(
    pieces: AsyncIterator[bytes], decompressor: "Decompressor"
) -> AsyncIterator[bytes]:
    """The text in pieces; raises ProblemError if it is damaged, or larger than is allowed."""
    turn = TimeSlice()
    async for piece in pieces:
        for data in decompressor.feed(piece):
            if data:
                yield data
            await turn.share()
    decompressor.close()


class _Stream(Protocol):
    """One member or frame."""

    @property
    def eof(self) -> bool:
        """Whether it has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out of what was put in."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What was put in behind its end."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Put in, and take so much out at most."""
        ...


class Decompressor:
    """One compressed text."""

    def __init__(self, compression: str, *, max_bytes: int, max_ratio: int) -> None:
        """``max_ratio`` is how many times larger the text may be, beyond FREE_BYTES."""
        self._compression = compression
        self._max_bytes = max_bytes
        self._max_ratio = max_ratio
        self._stream: _Stream | None = None
        self._streams = 0
        self._padded = False
        self._put_in = 0
        self._taken_out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes; yields what they hold, often nothing. Raises ProblemError."""
        self._put_in += len(data)
        while data:
            if self._stream is None:
                data = self._after_padding(data)
                self._stream = self._next_stream(self._put_in - len(data)) if data else None
            else:
                yield self._step(self._stream, data)
                while not (self._stream.eof or self._stream.needs_input):
                    yield self._step(self._stream, b"")
                data = self._stream.unused_data
                self._stream = None if self._stream.eof else self._stream

    def close(self) -> None:
        """Tell that no more bytes come; raises ProblemError if some are missing."""
        if self._stream is not None or self._streams == 0:
            raise self._malformed("ends too early")

    def _next_stream(self, before: int) -> _Stream:
        """One that begins behind so many bytes."""
        self._streams += 1
        if self._streams > FREE_STREAMS + before // _STREAM_BYTES:
            raise self._malformed("has too many small members or frames")
        if self._compression == GZIP:
            return _GzipMember()
        options = {int(zstd.DecompressionParameter.window_log_max): _MAX_WINDOW_LOG}
        return zstd.ZstdDecompressor(options=options)

    def _step(self, stream: _Stream, data: bytes) -> bytes:
        try:
            taken = stream.decompress(data, STEP_BYTES)
        except zlib.error:
            raise self._malformed("is damaged, or something else follows it") from None
        except zstd.ZstdError as error:
            raise self._refused_by_zstd(error) from None
        self._taken_out += len(taken)
        self._check_size()
        return taken

    def _check_size(self) -> None:
        if self._taken_out > self._max_bytes:
            raise ProblemError("body_too_large", f"Unpacked it has over {self._max_bytes} bytes.")
        if self._taken_out > max(FREE_BYTES, self._max_ratio * self._put_in):
            raise ProblemError(
                "compression_ratio_too_high",
                f"Unpacked it is over {self._max_ratio} times as large. Send it uncompressed.",
            )

    def _after_padding(self, data: bytes) -> bytes:
        """Gzip files may be filled up with zeros at their end (as tapes are)."""
        rest = data.lstrip(b"\0") if self._streams and self._compression == GZIP else data
        self._padded = self._padded or len(rest) < len(data)
        if self._padded and rest:
            raise self._malformed("is followed by something else")
        return rest

    def _refused_by_zstd(self, error: zstd.ZstdError) -> ProblemError:
        if "too much memory" in str(error):
            return ProblemError(
                "unsupported_encoding",
                f"Its window has over {2**_MAX_WINDOW_LOG} bytes: compress it without --long and "
                "--ultra.",
            )
        return self._malformed("is damaged, or something else follows it")

    def _malformed(self, what: str) -> ProblemError:
        return ProblemError("malformed_compression", f"The {self._compression} stream {what}.")


class _GzipMember:
    """A member of a gzip file, as zlib reads it."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        """See _Stream."""
        return self._member.eof

    @property
    def unused_data(self) -> bytes:
        """See _Stream."""
        return self._member.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """See _Stream."""
        taken = self._member.decompress(self._member.unconsumed_tail + data, max_length)
        # Full to the brim: zlib may hold more back.
        self.needs_input = len(taken) < max_length and not self._member.unconsumed_tail
        return taken
