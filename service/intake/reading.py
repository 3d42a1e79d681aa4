"""How one import is read: decided by the first bytes of its text, and by its options."""

import asyncio
import codecs
from dataclasses import dataclass
from typing import Final

from core.reading.encodings import EncodingChoice, choose_encoding
from core.reading.json_structure import JsonPath, JsonStructure, find_structure
from core.reading.keys import plan_objects
from core.reading.plan import ReadingPlan
from core.reading.sniffing import Kind, begins_like_json, check_binary, check_text
from core.reading.tables import plan_csv
from service.intake.body import Sample
from service.intake.limits import Limits
from service.intake.options import check_applicable
from service.intake.request import ImportRequest, check_source_named
from service.splitting.base import Splitter
from service.splitting.csv import CsvSplitter
from service.splitting.envelope import EnvelopeSplitter
from service.splitting.json_array import JsonArraySplitter
from service.splitting.json_sequence import JsonSequenceSplitter
from service.splitting.ndjson import NdjsonSplitter
from service.splitting.transcoding import Transcoder

_BOM: Final = "\ufeff"
_QUICK_BYTES: Final = 2048
"""A sample of this size takes a millisecond or less; a hostile one of 64 KiB up to 50."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the sample and the options of a request say about its text."""

    request: ImportRequest
    kind: Kind
    plan: ReadingPlan
    encoding: EncodingChoice
    path: JsonPath = ()
    """Of the array of records in a JSON envelope."""

    def splitter(self, limits: Limits) -> Splitter:
        """Return a splitter for all of the text."""
        base = (self.plan, Transcoder(self.encoding), limits.part_bytes, limits.record_bytes)
        match self.kind:
            case Kind.JSON_ENVELOPE:
                return EnvelopeSplitter(
                    *base,
                    path=self.path,
                    is_file=self.request.is_file,
                    named_source=self.request.options.source,
                )
            case Kind.JSON_ARRAY:
                return JsonArraySplitter(*base)
            case Kind.JSON_SEQUENCE:
                return JsonSequenceSplitter(*base)
            case Kind.NDJSON:
                return NdjsonSplitter(*base)
            case Kind.CSV:
                return CsvSplitter(*base)


async def plan_upload(
    request: ImportRequest, sample: Sample, *, needs_source: bool = True
) -> Reading:
    """Return what ``decide_reading`` does, without holding the event loop for long."""
    if len(sample.data) <= _QUICK_BYTES:
        return decide_reading(request, sample, needs_source=needs_source)
    return await asyncio.to_thread(decide_reading, request, sample, needs_source=needs_source)


def decide_reading(request: ImportRequest, sample: Sample, *, needs_source: bool = True) -> Reading:
    """Return how a text is read that begins with this sample.

    ``needs_source`` is whether a request without a source is rejected. Raises MalformedInputError
    or ProblemError if the text is in a format that is not read, if its encoding, its header or its
    records cannot be decided, or if an option does not apply to it.
    """
    options = request.options.reading
    check_binary(sample.data)
    encoding = choose_encoding(sample.data, options.encoding, complete=sample.is_complete)
    text = _decode(sample, encoding)
    kind = _default_kind(request.kind, text)
    if kind is Kind.CSV or text.lstrip().startswith("<"):
        check_text(text)
    if kind is Kind.CSV:
        structure = JsonStructure(Kind.CSV)
    else:
        may_be_record = request.is_file or request.kind is not Kind.JSON_ENVELOPE
        structure = find_structure(text, kind, may_be_record=may_be_record)
    if needs_source and not request.is_file and structure.kind is not Kind.JSON_ENVELOPE:
        check_source_named(request.options)
    check_applicable(options, structure.kind)
    if structure.kind is Kind.CSV:
        plan = plan_csv(text, options, complete=sample.is_complete)
    else:
        plan = plan_objects(structure.records, options)
    return Reading(request, structure.kind, plan, encoding, structure.path)


def _default_kind(named: Kind | None, text: str) -> Kind:
    """Return how a text is written as far as its first characters and its type show."""
    if named is None or named is Kind.CSV:
        return Kind.JSON_ARRAY if begins_like_json(text) else Kind.CSV
    return named


def _decode(sample: Sample, encoding: EncodingChoice) -> str:
    """Return the text of a sample, without a mark, and without a last character that is cut."""
    decoder = codecs.getincrementaldecoder(encoding.encoding)("replace")
    return decoder.decode(sample.data[encoding.mark_bytes :], sample.is_complete).removeprefix(_BOM)
