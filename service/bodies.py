"""From a request to a submission: media type, limits, and the bytes as they come."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import web

from config.settings import Settings
from service.options import Options
from service.pace import Pace
from service.problems import Problem
from service.receipt import Receipt
from service.source import check_source
from service.splitting.csv_file import CsvSplitter
from service.splitting.envelope import EnvelopeSplitter
from service.splitting.json_array import JsonArraySplitter
from service.submission import Submission

PIECE_BYTES: Final = 64 * 1024
"""How much is split at a time: a millisecond or less, so that the event loop stays free."""

_CHARSETS: Final = {"utf-8", "utf8", "us-ascii", "ascii"}
_TAKEN: Final = (
    'application/json ({"source", "data"}), multipart/form-data (source, file) or '
    "text/csv (with ?source=)"
)

JSON: Final = "application/json"
CSV: Final = "text/csv"
MULTIPART: Final = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what is taken in."""

    body_bytes: int
    record_bytes: int
    part_bytes: int
    idle_seconds: float = 30.0
    """How long a client may send nothing: see Pace."""
    uploads: int = 50
    """How many may run at a time."""

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """The bounds that the settings name."""
        return cls(
            settings.max_body_bytes,
            settings.max_record_bytes,
            settings.part_bytes,
            settings.idle_timeout,
            settings.max_uploads,
        )

    def pace(self, content: aiohttp.StreamReader) -> Pace:
        """How fast a client must send this body."""
        return Pace(content, self.idle_seconds)

    def csv(self) -> CsvSplitter:
        """A splitter for a CSV file."""
        return CsvSplitter(self.part_bytes, self.record_bytes)

    def envelope(self) -> EnvelopeSplitter:
        """A splitter for a JSON body."""
        return EnvelopeSplitter(self.part_bytes, self.record_bytes)

    def json_array(self) -> JsonArraySplitter:
        """A splitter for a JSON file."""
        return JsonArraySplitter(self.part_bytes, self.record_bytes)


def check_head(request: web.Request, limits: Limits) -> None:
    """Refuse by the request's head alone, before any of the body is read; raises Problem."""
    if request.content_type not in {JSON, CSV, MULTIPART}:
        raise Problem("unsupported_media_type", f"Send {_TAKEN}.")
    check_charset(request.charset)
    check_encoding(request.headers.get("Content-Encoding"))
    if (request.content_length or 0) > limits.body_bytes:
        raise too_large(limits)
    Options.of(request)
    if request.content_type == CSV:
        query_source(request)


def check_charset(charset: str | None) -> None:
    """Raise Problem unless the text is UTF-8 or a part of it."""
    if charset is not None and charset.strip().lower() not in _CHARSETS:
        raise Problem("unsupported_charset", "Only UTF-8 is taken: convert the text first.")


def check_encoding(encoding: str | None) -> None:
    """Raise Problem if the body is compressed."""
    if encoding is not None and encoding.strip().lower() not in {"", "identity"}:
        raise Problem("unsupported_encoding", "Send the body as it is, without Content-Encoding.")


def query_source(request: web.Request) -> str:
    """The source of a CSV body, which has no place for it inside."""
    if "source" not in request.query:
        raise Problem("source_missing", "Name the source in the address: /import?source=...")
    return check_source(request.query["source"])


def too_large(limits: Limits) -> Problem:
    """The refusal of a body over the limit."""
    return Problem("body_too_large", f"At most {limits.body_bytes} bytes are taken at a time.")


def json_submission(
    request: web.Request, limits: Limits, count: Callable[[int], None]
) -> Submission:
    """A JSON body, of which the source comes with the data."""
    splitter, receipt = limits.envelope(), Receipt()

    async def source() -> str:
        return splitter.source

    pieces = receipt.noting(body_pieces(request, limits, count))
    return Submission(pieces, splitter, source, receipt, Options.of(request))


def csv_submission(
    request: web.Request, limits: Limits, count: Callable[[int], None]
) -> Submission:
    """A CSV body."""
    named, receipt = query_source(request), Receipt()

    async def source() -> str:
        return named

    pieces = receipt.noting(body_pieces(request, limits, count))
    return Submission(pieces, limits.csv(), source, receipt, Options.of(request))


async def body_pieces(
    request: web.Request, limits: Limits, count: Callable[[int], None]
) -> AsyncIterator[bytes]:
    """The body in small pieces; raises Problem if it breaks off or gets too large."""
    total, pace = 0, limits.pace(request.content)
    try:
        while chunk := await pace.wait(request.content.readany()):
            total += len(chunk)
            count(len(chunk))
            if total > limits.body_bytes:
                raise too_large(limits)
            for start in range(0, len(chunk), PIECE_BYTES):
                yield chunk[start : start + PIECE_BYTES]
                await asyncio.sleep(0)
    except READ_ERRORS as error:
        raise broken_off() from error


READ_ERRORS: Final = (web.RequestPayloadError, aiohttp.ClientPayloadError, ConnectionError)
"""What aiohttp raises when a body does not come to its end."""


def broken_off() -> Problem:
    """The refusal of a body that ended before its end."""
    return Problem("truncated_body", "The connection broke before the body was complete.")
