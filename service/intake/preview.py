"""A preview: what the beginning of a file becomes, with nothing kept."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import msgspec

from core.formats.base import RecordRun
from core.records.classify import ClassifiedRun, classify
from core.records.parsing import Parser, parser_for
from service.intake.body import Sample
from service.intake.limits import Limits
from service.intake.reading import Reading
from service.splitting.part_cutter import Split

PREVIEWED_RECORDS: Final = 10
_SAMPLED_RECORDS: Final = 200
"""Records in which samples for the columns are looked for."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What the beginning of a file becomes."""

    reading: Reading
    split: Split
    """Of the records in the sample."""
    runs: Sequence[ClassifiedRun]
    """The first records, classified."""
    contents: Sequence[bytes]
    """The same records as JSON, as rejections keep them."""
    is_complete: bool
    """Whether the sample is all of the file."""


def make_preview(reading: Reading, sample: Sample, limits: Limits) -> Preview:
    """Return the preview of a text that begins with this sample.

    Raises MalformedInputError for what is wrong in the sample.
    """
    splitter = reading.splitter(limits)
    stored = b"".join(splitter.feed(sample.data))
    if sample.is_complete:
        stored += b"".join(splitter.close())
    split = splitter.split()
    if not split.parts:
        return Preview(reading, split, (), (), sample.is_complete)

    start, end = split.parts[0].byte_start, split.parts[-1].byte_end
    parser = parser_for(split.format, split.plan, start)
    runs: list[ClassifiedRun] = []
    contents: list[bytes] = []
    for run in _first_runs(parser, stored[start:end]):
        runs.append(classify(run, len(contents) + 1, parser))
        contents += parser.texts(run)
        if len(contents) >= _SAMPLED_RECORDS:
            break
    return Preview(reading, split, runs, contents[:_SAMPLED_RECORDS], sample.is_complete)


def _first_runs(parser: Parser[Any], content: bytes) -> Iterator[RecordRun[Any]]:
    """Yield the runs of whole records that have any."""
    runs = chain(parser.scanner.feed(content), parser.scanner.close())
    return (run for run in runs if run.records)


def sampled_values(contents: Sequence[bytes]) -> list[Any]:
    """Return records as values: rows as lists, objects as dicts; others are left out."""
    values = []
    for content in contents:
        try:
            value = msgspec.json.decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        if isinstance(value, list | dict):
            values.append(value)
    return values
