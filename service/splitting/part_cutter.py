"""Cuts an object into parts: byte ranges of whole records, each of at least ``part_bytes``.

Whether the records may be contacts at all is checked where a part ends: what is stored, queued and
rejected for each record costs thousands of times what one byte of it costs to send.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from core.errors import MalformedInputError
from core.field_names import FieldNames
from core.formats.base import RecordRun, RecordScanner, Span
from core.models import Part
from core.reading.plan import PlanWarning, ReadingPlan
from core.reading.warnings import ENCODING_GUESSED
from core.states import Format

_UNCHECKED_RECORDS: Final = 10_000
"""Records of an import that may be of any kind and size."""
_UNCHECKED_BYTES: Final = 32 * 1024 * 1024
"""Bytes of an import from which on it is refused before its end; by then a bomb was noticed."""
_LEAST_BYTES: Final = 4
"""Average size that further records have, with what separates them: a row with the name ``Ada``."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoding in which a body came."""

    name: str
    guessed: bool = False
    """Whether neither the client nor a mark nor the form of its characters shows it."""
    sample: str = ""
    """A text with foreign letters as it was read, if the encoding is guessed."""


@dataclass(frozen=True, slots=True)
class Split:
    """What is recorded of an object."""

    format: Format
    made_plan: ReadingPlan
    """The plan as it was made from the sample."""
    bytes: int
    """Size of the object."""
    records: int
    parts: list[Part]
    encoding: Encoding

    @property
    def plan(self) -> ReadingPlan:
        """The plan, which warns of an encoding even if it was guessed after the sample."""
        if not self.encoding.guessed:
            return self.made_plan
        warnings = (PlanWarning(ENCODING_GUESSED), *self.made_plan.warnings)
        return msgspec.structs.replace(self.made_plan, warnings=warnings)

    @property
    def ignored(self) -> Sequence[str]:
        """Names of columns that are not part of a contact; the workers find those of JSON."""
        used = self.made_plan.places.used
        header = enumerate(self.made_plan.header)
        return FieldNames(name for at, name in header if at not in used).to_json()


def merged(parts: Sequence[Part], least_bytes: float) -> list[Part]:
    """Return the same records in fewer parts, each of at least so many bytes but the last one."""
    large: list[Part] = []
    for part in parts:
        if large and large[-1].byte_end - large[-1].byte_start < least_bytes:
            records = large[-1].records + part.records
            large[-1] = replace(large[-1], byte_end=part.byte_end, records=records)
        else:
            large.append(replace(part, part=len(large) + 1))
    return large


class PartCutter:
    """Ends a part at the first end of a record that makes it large enough.

    Which part a record belongs to depends on the bytes alone, not on how they arrived. Methods that
    may end a part raise MalformedInputError if the records so far cannot be a list of contacts.
    """

    def __init__(self, part_bytes: int, *, base: int = 0, are_objects: bool = False) -> None:
        """``base`` is the offset of the object in the text whose offsets the runs have.

        ``are_objects`` is whether a record without a brace is no contact.
        """
        self.parts: list[Part] = []
        self._are_objects = are_objects
        self._first_brace: int | None = None
        self._part_bytes = part_bytes
        self._base = base
        self._start: int | None = None
        self._end = 0
        self._count = 0
        self._next_record = 1

    @property
    def records(self) -> int:
        """Number of records so far."""
        return self._next_record - 1 + self._count

    def add(self, run: RecordRun[object], scanner: RecordScanner[object]) -> None:
        """Add a run's records; ``scanner`` has found it, and finds the ends of its records."""
        if self._are_objects and self._first_brace is None and (at := run.raw.find(b"{")) >= 0:
            self._first_brace = run.offset + at
        start = run.start if self._start is None else self._start
        if run.records and self._start is not None and run.end - start < self._part_bytes:
            self._count += len(run.records)
            self._end = run.end
        elif run.records:
            self.add_records(scanner.spans(run))

    def add_records(self, spans: Sequence[Span]) -> None:
        """Add consecutive records with these bounds."""
        ends = [end for _, end in spans]
        at = 0
        while at < len(spans):
            self._start = spans[at][0] if self._start is None else self._start
            last = bisect_left(ends, self._start + self._part_bytes, at)
            after = min(last + 1, len(spans))
            self._count += after - at
            self._end = ends[after - 1]
            if last < len(spans):
                self._cut(self._end)
                if self._end - self._base - self.parts[0].byte_start >= _UNCHECKED_BYTES:
                    self._check_records(self._end)
            at = after

    def finish(self, end: int | None = None) -> list[Part]:
        """Return the parts; the last one ends at ``end``, by default with its last record."""
        if self._start is not None:
            self._cut(self._end if end is None else end)
        self._check_records(self._end)
        return self.parts

    def _cut(self, end: int) -> None:
        start = self._start if self._start is not None else end
        self.parts.append(
            Part(
                part=len(self.parts) + 1,
                byte_start=start - self._base,
                byte_end=end - self._base,
                first_record=self._next_record,
                records=self._count,
            )
        )
        self._next_record += self._count
        self._start, self._count = None, 0

    def _check_records(self, end: int) -> None:
        """Raise MalformedInputError unless the records up to ``end`` may be contacts."""
        records = self._next_record - 1
        if records <= _UNCHECKED_RECORDS:
            return
        size = self.parts[-1].byte_end - self.parts[0].byte_start
        if records - _UNCHECKED_RECORDS > size / _LEAST_BYTES:
            raise MalformedInputError(
                "records_too_short",
                f"{records} records have {size} bytes: that is not a list of contacts.",
                record=records,
            )
        if self._are_objects and (self._first_brace is None or self._first_brace >= end):
            raise MalformedInputError(
                "data_not_objects", f"None of the first {records} records is an object."
            )
