"""The interface of the scanners: a stream of bytes in, runs of whole records out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)

Span = tuple[int, int]
"""Offsets ``(start, end)`` of one record, counted like ``RecordRun.offset``."""


@dataclass(frozen=True, slots=True)
class RecordRun(Generic[T_co]):
    """Consecutive whole records; the ``raw`` of all runs, joined, equals the input."""

    offset: int
    """Where ``raw`` starts, in bytes from the start of the input."""
    raw: bytes
    """The records with the separators before, between and (CSV) after them."""
    lead: int
    """Number of bytes in ``raw`` before the first record."""
    records: Sequence[T_co]
    """The decoded records; empty if the bytes only separate records or close the array."""
    spans: Sequence[Span] = ()
    """Where each record is, if the scanner found that anyway."""

    @property
    def start(self) -> int:
        """Offset of the first record."""
        return self.offset + self.lead

    @property
    def end(self) -> int:
        """Offset after the last byte."""
        return self.offset + len(self.raw)


class RecordScanner(Protocol[T_co]):
    """Turns a stream of bytes into runs of whole records, whatever the sizes of its pieces."""

    @property
    def records(self) -> int:
        """Number of records found so far."""
        ...

    def feed(self, data: bytes) -> Iterator[RecordRun[T_co]]:
        """Take the next bytes; yields the records they complete. Raises MalformedInputError."""
        ...

    def close(self) -> Iterator[RecordRun[T_co]]:
        """End the input; yields the rest. Raises MalformedInputError if a record is incomplete."""
        ...

    def spans(self, run: RecordRun[object]) -> list[Span]:
        """Return where each record of a run starts and ends; slower than finding the run."""
        ...
