"""Runs a splitter over a body that arrives in pieces of any size."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from hypothesis import strategies as st

from core.errors import MalformedInputError
from core.formats.csv_dialect import CsvDialect
from core.models import Part
from core.reading.encodings import EncodingChoice
from core.reading.options import ReadingOptions
from core.reading.plan import FieldPlaces, ReadingPlan
from core.reading.sniffing import Kind
from service.intake.body import Sample
from service.intake.limits import Limits
from service.intake.options import ImportOptions
from service.intake.reading import decide_reading
from service.intake.request import ImportRequest
from service.problems import ProblemError
from service.splitting.base import Splitter
from service.splitting.csv import CsvSplitter
from service.splitting.part_cutter import Split
from service.splitting.transcoding import Transcoder

BIG = 1 << 20
"""A limit in bytes that no small test body reaches."""


@dataclass(frozen=True)
class Outcome:
    """The result for an accepted body: the object's bytes and the parts."""

    stored: bytes
    split: Split
    source: str | None


@dataclass(frozen=True)
class RejectedBody:
    """The result for a rejected body: the problem without its texts."""

    code: str
    offset: int | None
    record: int | None


OBJECTS = ReadingPlan(places=FieldPlaces(name=(("name",),), email=(("email",),)))
"""The plan of plain JSON."""
ROWS = ReadingPlan(
    places=FieldPlaces(name=(0,), email=(1,)),
    csv=CsvDialect(),
    columns=2,
    header=("name", "email"),
)
"""The plan of plain CSV."""

S = TypeVar("S", bound=Splitter)


def utf8() -> Transcoder:
    """A transcoder of a text that is known to be UTF-8."""
    return Transcoder(EncodingChoice("utf-8", 0, guessed=False, undecided=False, sample=""))


def json_splitter(make: type[S], part_bytes: int, max_record: int, **options: Any) -> S:
    """A splitter of UTF-8 text with the keys name and email."""
    return make(OBJECTS, utf8(), part_bytes, max_record, **options)


def csv_splitter(part_bytes: int, max_record: int, plan: ReadingPlan = ROWS) -> CsvSplitter:
    """A splitter of UTF-8 rows."""
    return CsvSplitter(plan, utf8(), part_bytes, max_record)


def run_as_read(
    pieces: list[bytes], kind: Kind | None, limits: Limits, **options: Any
) -> Outcome | RejectedBody:
    """Run a splitter that is made as for a request: from the sample, and by its options."""
    reading = ImportOptions("s", reading=ReadingOptions(**options))
    sample = Sample.of(b"".join(pieces))
    try:
        splitter = decide_reading(ImportRequest(kind, reading), sample).splitter(limits)
    except (MalformedInputError, ProblemError) as error:
        return RejectedBody(error.code, getattr(error, "offset", None), None)
    return run(splitter, pieces)


def pieces_of(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


def pieces_at(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(cut for cut in cuts if cut <= len(body)), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


def run(splitter: Splitter, pieces: Iterable[bytes]) -> Outcome | RejectedBody:
    stored = bytearray()
    try:
        for piece in pieces:
            stored += b"".join(splitter.feed(piece))
        stored += b"".join(splitter.close())
    except MalformedInputError as error:
        return RejectedBody(error.code, error.offset, error.record)
    return Outcome(bytes(stored), splitter.split(), getattr(splitter, "source", None))


def taken(splitter: Splitter, pieces: Iterable[bytes]) -> Outcome:
    outcome = run(splitter, pieces)
    assert isinstance(outcome, Outcome), outcome
    return outcome


def refused(splitter: Splitter, pieces: Iterable[bytes]) -> RejectedBody:
    outcome = run(splitter, pieces)
    assert isinstance(outcome, RejectedBody), outcome
    return outcome


def chunkings(body: bytes) -> list[list[bytes]]:
    """Cut into single bytes, not at all, and at sizes that match no structure."""
    return [pieces_of(body, size) for size in (1, 2, 3, 5, 7, 31, max(1, len(body)))]


def cuts(body: bytes) -> st.SearchStrategy[list[bytes]]:
    """Generate chunkings of the body."""
    at_places = st.lists(st.integers(0, len(body)), max_size=8).map(
        lambda places: pieces_at(body, places)
    )
    return st.integers(1, 9).map(lambda size: pieces_of(body, size)) | at_places


def same_for_all(make: Callable[[], Splitter], body: bytes) -> Outcome | RejectedBody:
    """Return the result for a body; asserts that it does not depend on the chunking."""
    outcomes = [run(make(), pieces) for pieces in chunkings(body)]
    assert all(outcome == outcomes[0] for outcome in outcomes), outcomes
    return outcomes[0]


def parts_hold(split: Split, part_bytes: int) -> None:
    """Assert what must be true for the parts of every import."""
    parts = split.parts
    assert [part.part for part in parts] == list(range(1, len(parts) + 1))
    assert all(part.byte_end - part.byte_start >= part_bytes for part in parts[:-1])
    assert sum(part.records for part in parts) == split.records
    assert [part.first_record for part in parts] == _first_records(parts)
    edges = [edge for part in parts for edge in (part.byte_start, part.byte_end)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= split.bytes for edge in edges)


def _first_records(parts: list[Part]) -> list[int]:
    before, firsts = 0, []
    for part in parts:
        firsts.append(before + 1)
        before += part.records
    return firsts


def greedy_parts(spans: list[tuple[int, int]], part_bytes: int) -> list[Part]:
    """Return the expected parts for records at these spans, computed in the simplest way."""
    parts: list[Part] = []
    open_from: tuple[int, int] | None = None  # byte, record
    for number, (start, end) in enumerate(spans, 1):
        open_from = open_from or (start, number)
        if end - open_from[0] >= part_bytes or number == len(spans):
            first = open_from[1]
            parts.append(Part(len(parts) + 1, open_from[0], end, first, number - first + 1))
            open_from = None
    return parts
