"""Cuts an object into parts: each at least so many bytes of whole records."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.formats.base import RecordRun, RecordScanner
from core.models import Layout, Part
from core.states import Format


@dataclass(frozen=True, slots=True)
class Split:
    """All that the repository must know of an object."""

    format: Format
    layout: Layout | None
    """Where a row's fields stand; CSV only."""
    bytes: int
    """Size of the object."""
    records: int
    parts: list[Part]
    detected: dict[str, Any] = field(default_factory=dict)
    """What was found of how the body is written, as clients see it."""
    ignored: Sequence[str] = ()
    """Names of columns that are no part of a contact."""


class PartCutter:
    """Ends a part at the first record end that makes it large enough.

    Which part a record falls into depends on the bytes alone, never on how they arrived.
    """

    def __init__(self, part_bytes: int, *, base: int = 0) -> None:
        """``base`` is where the object begins in what the runs count their offsets from."""
        self.parts: list[Part] = []
        self._part_bytes = part_bytes
        self._base = base
        self._start: int | None = None
        self._end = 0
        self._count = 0
        self._next_record = 1

    @property
    def records(self) -> int:
        """Number of records seen so far."""
        return self._next_record - 1 + self._count

    def add(self, run: RecordRun[object], runs: RecordScanner[object]) -> None:
        """Count a run's records into parts; ``runs`` is who found it."""
        start = run.start if self._start is None else self._start
        if run.records and self._start is not None and run.end - start < self._part_bytes:
            self._count += len(run.records)
            self._end = run.end
        elif run.records:
            for span_start, span_end in runs.spans(run):
                self.add_record(span_start, span_end)

    def add_record(self, start: int, end: int) -> None:
        """Count a single record, of which the bounds are known."""
        self._start = start if self._start is None else self._start
        self._count += 1
        self._end = end
        if end - self._start >= self._part_bytes:
            self._cut(end)

    def finish(self, end: int | None = None) -> list[Part]:
        """The parts; the last one ends at ``end`` if that is named, else with its last record."""
        if self._start is not None:
            self._cut(self._end if end is None else end)
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
