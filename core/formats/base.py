"""The narrow interface between a stream of bytes and the records in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)

Span = tuple[int, int]
"""Offsets ``(start, end)`` of one record, counted like ``Run.offset``."""


@dataclass(frozen=True, slots=True)
class Run(Generic[T_co]):
    """Neighbouring whole records; the ``raw`` of all runs, joined, is the input again."""

    offset: int
    """Where ``raw`` begins, in bytes from the start of the input."""
    raw: bytes
    """The records with the separators before, between and (CSV) after them."""
    lead: int
    """How many bytes of ``raw`` stand before the first record."""
    records: Sequence[T_co]
    """The decoded records; empty for bytes that only separate or close."""
    spans: Sequence[Span] = ()
    """Where each record is, if that was found on the way."""

    @property
    def start(self) -> int:
        """Offset of the first record."""
        return self.offset + self.lead

    @property
    def end(self) -> int:
        """Offset behind the last byte."""
        return self.offset + len(self.raw)


class RecordScanner(Protocol[T_co]):
    """Turns a stream of bytes into runs of whole records, whatever the sizes of the pieces."""

    @property
    def records(self) -> int:
        """Number of records found so far."""
        ...

    def feed(self, data: bytes) -> Iterator[Run[T_co]]:
        """Take the next bytes; yields what they complete. Raises MalformedInputError."""
        ...

    def close(self) -> Iterator[Run[T_co]]:
        """Tell that no more bytes come. Raises MalformedInputError if a record is incomplete."""
        ...

    def spans(self, run: Run[object]) -> list[Span]:
        """Where exactly each record of a run begins and ends: slower than finding the run."""
        ...
