"""Parses the bytes of a part into records, as the plan says: a parser for each format.

The scanners of ``core.formats``, with which the service has cut the object into parts, find the
records here too, so both agree about where a record begins and ends.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from core.formats.base import RecordRun, RecordScanner
from core.reading.plan import ReadingPlan
from core.records.columns import Columns
from core.records.models import Candidates, Skipped
from core.records.objects import JsonParser, NdjsonParser
from core.records.rejection_reasons import Reason
from core.records.rows import CsvParser
from core.states import Format

T = TypeVar("T")


class Parser(Protocol[T]):
    """Parses the records of one part."""

    @property
    def scanner(self) -> RecordScanner[T]:
        """Takes the part's bytes and finds the records in them."""
        ...

    @property
    def family_name_first(self) -> bool:
        """Whether first and last name are joined with the last name first."""
        ...

    def columns(self, run: RecordRun[T]) -> Columns:
        """All names and all e-mails, and which of the records need ``candidates``."""
        ...

    def may_be_no_record(self, name: str) -> bool:
        """Whether a record with this name and without an address may be a header or a footer."""
        ...

    def memo_key(self, record: T) -> Hashable | None:
        """What decides what a record is: equal for records that are the same; None if unknown."""
        ...

    def candidates(self, record: T) -> Candidates | Reason | Skipped:
        """What a record has for each field, why it is no record, or why it cannot be read."""
        ...

    def texts(self, run: RecordRun[T]) -> Sequence[bytes]:
        """Each record of a run as JSON, as it was sent; slower than finding the run."""
        ...

    def ignored_fields(self, run: RecordRun[T], max_records: int) -> Iterable[str]:
        """Names of fields in the run's first records that are not part of a contact."""
        ...


def parser_for(format_: Format, plan: ReadingPlan, byte_start: int) -> Parser[Any]:
    """Return a parser for a part that starts at this byte of its object."""
    match format_:
        case Format.CSV:
            return CsvParser(plan, byte_start)
        case Format.NDJSON:
            return NdjsonParser(plan, byte_start)
        case Format.JSON:
            return JsonParser(plan, byte_start)
