"""The bytes of a request, in order: received, (taken out of a form,) hashed, decompressed.

``receive`` yields what the client sends; service.intake.multipart takes the file out of a form;
``Body`` makes the text of the records from the result.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import web

from core.reading.plan import SAMPLE_BYTES
from service.fair_scheduling import TimeSlice
from service.intake.decompression import Decompressor
from service.intake.digest import Digest
from service.intake.limits import Limits
from service.intake.minimum_rate import MinimumRate
from service.intake.request import body_too_large
from service.problems import ProblemError

PIECE_BYTES: Final = 64 * 1024
"""How much is split at a time: it takes a millisecond or less, so the event loop stays free."""

_READ_ERRORS: Final = (web.RequestPayloadError, aiohttp.ClientPayloadError, ConnectionError)
"""What aiohttp raises when a body ends too early."""


async def receive(
    content: aiohttp.StreamReader,
    limits: Limits,
    count: Callable[[int], None],
    rate: MinimumRate | None = None,
) -> AsyncIterator[bytes]:
    """Yield a request's body as it arrives, in pieces of at most PIECE_BYTES.

    Calls ``count`` with the number of bytes of each read; ``rate`` is the one that is required.
    Raises ProblemError if the body is too large, ends too early or arrives too slowly.
    """
    total = 0
    rate = rate or MinimumRate(content, limits.idle_seconds)
    try:
        while chunk := await rate.wait_for(content.readany()):
            total += len(chunk)
            count(len(chunk))
            if total > limits.body_bytes:
                raise body_too_large(limits)
            for start in range(0, len(chunk), PIECE_BYTES):
                yield chunk[start : start + PIECE_BYTES]
    except _READ_ERRORS as error:
        raise truncated_body() from error


@dataclass(frozen=True, slots=True)
class Sample:
    """The beginning of a text, which decides how it is read."""

    data: bytes
    """At most SAMPLE_BYTES, however the text arrives."""
    is_complete: bool
    """Whether it is certainly all of the text."""

    @classmethod
    def of(cls, text: bytes) -> "Sample":
        """Return the sample of a text that may be longer."""
        return cls(text[:SAMPLE_BYTES], len(text) < SAMPLE_BYTES)


class Body:
    """The text of the records of one request, as an asynchronous iterator of pieces.

    To be iterated over once. Raises what ``sent`` raises, and ProblemError for compressed data that
    is damaged or too large.
    """

    def __init__(self, sent: AsyncIterator[bytes], compression: str | None, limits: Limits) -> None:
        """``sent`` is the body, or the file of a form, as the client sent it."""
        self.digest = Digest()
        """Of ``sent``; complete after the iteration."""
        self._sent = sent
        self._decompressor = (
            Decompressor(
                compression, max_bytes=limits.body_bytes, max_ratio=limits.compression_ratio
            )
            if compression
            else None
        )
        self._pieces = self._read()
        self._first_pieces: list[bytes] = []
        """Those that were read for the sample."""
        self._may_be_cut = False
        self._is_cut = False

    async def sample(self, *, may_be_cut: bool = False) -> Sample:
        """Read the beginning of the text; the iteration yields it nevertheless.

        ``may_be_cut`` is whether a client may have sent only the beginning of a compressed text.
        """
        self._may_be_cut = may_be_cut
        missing = SAMPLE_BYTES
        while missing > 0 and (piece := await anext(self._pieces, b"")):
            self._first_pieces.append(piece)
            missing -= len(piece)
        sample = Sample.of(b"".join(self._first_pieces))
        return Sample(sample.data, is_complete=False) if self._is_cut else sample

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the next piece of at most PIECE_BYTES."""
        for piece in self._first_pieces:
            yield piece
        self._first_pieces.clear()
        async for piece in self._pieces:
            yield piece

    async def _read(self) -> AsyncIterator[bytes]:
        time_slice = TimeSlice()
        async for piece in self._sent:
            self.digest.update(piece)
            if self._decompressor is None:
                yield piece
                continue
            for data in self._decompressor.feed(piece):
                if data:
                    yield data
                await time_slice.yield_if_used_up()
        if self._decompressor is None:
            return
        self._is_cut = self._may_be_cut and not self._decompressor.is_at_end
        if not self._is_cut:
            self._decompressor.close()

    async def trailing_source(self) -> str | None:
        """Read what follows the records; return the source if it is named there."""
        return None


def truncated_body() -> ProblemError:
    """Return the problem of a body that ended too early."""
    return ProblemError("truncated_body", "The connection broke before the body was complete.")
