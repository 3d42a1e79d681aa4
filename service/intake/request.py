"""From a request to a submission: media type, limits, and the bytes as they come."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

import aiohttp
from aiohttp import web

from config.settings import Settings
from service.intake.decompression import Decompressor, compression_of, unpacked
from service.intake.digest import Digest
from service.intake.minimum_rate import MinimumRate
from service.intake.options import GivenOptions, Options
from service.intake.submission import Submission
from service.intake.webhooks import Webhooks
from service.problems import ProblemError
from service.splitting.csv import CsvSplitter
from service.splitting.dialect import (
    UTF_8,
    Dialect,
    parse_charset,
    parse_delimiter,
    parse_mapping,
)
from service.splitting.envelope import EnvelopeSplitter
from service.splitting.json_array import JsonArraySplitter
from service.splitting.ndjson import NdjsonSplitter

PIECE_BYTES: Final = 64 * 1024
"""How much is split at a time: a millisecond or less, so that the event loop stays free."""

_TAKEN: Final = (
    'application/json ({"source", "data"}), multipart/form-data (source, file), text/csv or '
    "application/x-ndjson (both with ?source=)"
)

JSON: Final = "application/json"
CSV: Final = "text/csv"
NDJSON: Final = "application/x-ndjson"
MULTIPART: Final = "multipart/form-data"
_KINDS: Final = {
    JSON: JSON,
    CSV: CSV,
    **dict.fromkeys((NDJSON, "application/ndjson", "application/jsonl"), NDJSON),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what is taken in."""

    body_bytes: int
    record_bytes: int
    part_bytes: int
    idle_seconds: float = 30.0
    """How long a client may send nothing: see MinimumRate."""
    uploads: int = 50
    """How many may run at a time."""
    ratio: int = 200
    """How many times larger than what came a body may become when it is unpacked."""
    webhooks: Webhooks = field(default_factory=Webhooks)
    """Who may be told of an import's end."""

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """The bounds that the settings name."""
        return cls(
            settings.max_body_bytes,
            settings.max_record_bytes,
            settings.part_bytes,
            settings.idle_timeout,
            settings.max_uploads,
            settings.max_compression_ratio,
            Webhooks.of(settings),
        )

    def pace(self, content: aiohttp.StreamReader) -> MinimumRate:
        """How fast a client must send this body."""
        return MinimumRate(content, self.idle_seconds)

    def unpacked(
        self, pieces: AsyncIterator[bytes], compression: str | None
    ) -> AsyncIterator[bytes]:
        """What was compressed before it was sent; raises ProblemError beyond the bounds."""
        if compression is None:
            return pieces
        decompressor = Decompressor(compression, max_bytes=self.body_bytes, max_ratio=self.ratio)
        return unpacked(pieces, decompressor)

    def csv(self, dialect: Dialect) -> CsvSplitter:
        """A splitter for a CSV file."""
        return CsvSplitter(self.part_bytes, self.record_bytes, dialect)

    def ndjson(self) -> NdjsonSplitter:
        """A splitter for lines of JSON."""
        return NdjsonSplitter(self.part_bytes, self.record_bytes)

    def envelope(self, source: str | None = None) -> EnvelopeSplitter:
        """A splitter for a JSON body; ``source`` is that of the address, if it names one."""
        return EnvelopeSplitter(self.part_bytes, self.record_bytes, source)

    def json_array(self) -> JsonArraySplitter:
        """A splitter for a JSON file."""
        return JsonArraySplitter(self.part_bytes, self.record_bytes)


def kind_of(content_type: str) -> str | None:
    """JSON, CSV or NDJSON, by any name of a media type; None if it is none of them."""
    return _KINDS.get(content_type)


def check_head(request: web.Request, limits: Limits) -> None:
    """Refuse by the request's head alone, before any of the body is read.

    Raises ProblemError or MalformedInputError.
    """
    given = GivenOptions(request.query)
    kind = kind_of(request.content_type)
    if kind is None and request.content_type != MULTIPART:
        raise ProblemError("unsupported_media_type", f"Send {_TAKEN}.")
    compression = compression_of(request.headers.get("Content-Encoding"))
    if compression and kind is None:
        raise ProblemError("unsupported_encoding", "Compress the file in the form, not the form.")
    if (request.content_length or 0) > limits.body_bytes:
        raise too_large(limits)
    Options.of(request, given)
    limits.webhooks.wanted(given["notify"])
    check_dialect(kind, request.charset, given)
    if given.source() is None and kind in {CSV, NDJSON}:
        raise _no_source()


def check_dialect(kind: str | None, charset: str | None, given: GivenOptions) -> Dialect:
    """How a body or file is written as far as the client says so; raises ProblemError if it cannot be.

    ``kind`` is None for a form, of which the file is still to come.
    """
    delimiters, columns = given["delimiter"], given["map"]
    if len(delimiters) > 1:
        raise ProblemError("delimiter_invalid", "Name one delimiter only.")
    if kind in {JSON, NDJSON} and delimiters:
        raise ProblemError("delimiter_invalid", "Only a CSV file has a delimiter.")
    if kind in {JSON, NDJSON} and columns:
        raise ProblemError("mapping_invalid", "Only the columns of a CSV file can be mapped.")
    delimiter = parse_delimiter(delimiters[0]) if delimiters else None
    return Dialect(delimiter, check_charset(kind, charset), parse_mapping(columns))


def check_charset(kind: str | None, charset: str | None) -> str | None:
    """The encoding that is named; raises ProblemError if that is read of no such body."""
    if not charset or not charset.strip():
        return None
    known = parse_charset(charset)
    if known is None or (kind != CSV and known != UTF_8):
        taken = "UTF-8, UTF-16 and Windows-1252 are" if kind == CSV else "Only UTF-8 is"
        raise ProblemError("unsupported_charset", f"{taken} taken: convert the text first.")
    return known


def _no_source() -> ProblemError:
    """The refusal of a CSV or NDJSON body, which has no place for its source inside."""
    return ProblemError("source_missing", "Name the source in the address: /import?source=...")


def too_large(limits: Limits) -> ProblemError:
    """The refusal of a body over the limit."""
    return ProblemError("body_too_large", f"At most {limits.body_bytes} bytes are taken at a time.")


def body_submission(
    request: web.Request, limits: Limits, count: Callable[[int], None]
) -> Submission:
    """A body that is no form."""
    given = GivenOptions(request.query)
    compression = compression_of(request.headers.get("Content-Encoding"))
    notify = limits.webhooks.wanted(given["notify"])
    receipt, options = Digest(), replace(Options.of(request, given), notify=notify)
    pieces = limits.unpacked(receipt.noting(body_pieces(request, limits, count)), compression)
    kind, named = kind_of(request.content_type), given.source()
    if kind == JSON:
        splitter = limits.envelope(named)
        return Submission(pieces, splitter, _told_by(splitter), receipt, options, compression)
    dialect = check_dialect(kind, request.charset, given)
    lines = limits.csv(dialect) if kind == CSV else limits.ndjson()
    if named is None:
        raise _no_source()

    async def source() -> str:
        return named

    return Submission(pieces, lines, source, receipt, options, compression)


def _told_by(splitter: EnvelopeSplitter) -> Callable[[], Awaitable[str]]:
    """The source comes with the data."""

    async def source() -> str:
        return splitter.source

    return source


async def body_pieces(
    request: web.Request, limits: Limits, count: Callable[[int], None]
) -> AsyncIterator[bytes]:
    """The body in small pieces; raises ProblemError if it breaks off or gets too large."""
    total, pace = 0, limits.pace(request.content)
    try:
        while chunk := await pace.wait(request.content.readany()):
            total += len(chunk)
            count(len(chunk))
            if total > limits.body_bytes:
                raise too_large(limits)
            for start in range(0, len(chunk), PIECE_BYTES):
                yield chunk[start : start + PIECE_BYTES]
    except READ_ERRORS as error:
        raise broken_off() from error


READ_ERRORS: Final = (web.RequestPayloadError, aiohttp.ClientPayloadError, ConnectionError)
"""What aiohttp raises when a body does not come to its end."""


def broken_off() -> ProblemError:
    """The refusal of a body that ended before its end."""
    return ProblemError("truncated_body", "The connection broke before the body was complete.")
