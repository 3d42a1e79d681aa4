"""The records of one part, from bytes to rows: parse, classify, write in batches.

Every write may be repeated: it is keyed by the record's number, which is the same in each attempt.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, Final

from core.errors import MalformedInputError
from core.formats.base import RecordRun
from core.records.classify import ClassifiedRun, RejectedRecord, classify
from core.records.parsing import Parser, parser_for
from core.rejection_objects import Rejection
from tasks.errors import PartFailedError
from tasks.importing.models import Batch, PartCounts, PartEnd, PartWork
from tasks.writing.base import ContactWriter
from tasks.writing.rejections import PartRejections

MAX_CONTENT: Final = 4096
"""Bytes of a rejected record that are kept."""
MAX_BUFFER_BYTES: Final = 2 * 1024 * 1024
"""Size of the runs in a batch buffer, not counting the last one."""

_RECORDS_SEARCHED_FIRST: Final = 100
"""In how many records of a part's first run the names of ignored fields are searched.

In each later run it is one: a run is about 64 KiB.
"""


class PartPipeline:
    """Takes the bytes of one part once: ``process``, then ``write_last``."""

    def __init__(self, work: PartWork, writer: ContactWriter, rejections: PartRejections) -> None:
        self.counts = PartCounts()
        self._work = work
        self._writer = writer
        self._rejections = rejections
        self._parser: Parser[Any] = parser_for(work.format, work.plan, work.part.byte_start)
        self._next_record = work.part.first_record
        self._buffer = BatchBuffer(self._next_record, writer.batch_records)

    @property
    def records_read(self) -> int:
        """Number of records that were found so far."""
        return self._parser.scanner.records

    def process(self, chunks: Iterator[bytes]) -> None:
        """Read all records and write them, except the last batch.

        Raises UpstreamError, ImportCancelledError, InvalidTransitionError, and PartFailedError if
        the bytes do not hold the records that were accepted.
        """
        try:
            for run in self._runs(chunks):
                if not run.records:  # only separators
                    continue
                self._search_ignored_fields(run)
                classified = classify(run, self._next_record, self._parser)
                if not self._buffer.has_room_for(classified):
                    self._flush()
                self._buffer.add(classified)
                self.counts.skipped.update([code for _, code in classified.skipped])
                for record, code in classified.warnings:
                    self.counts.warn(record, code)
                self._next_record += len(run.records)
        except MalformedInputError as error:
            detail = f"The stored object cannot be read: {error.detail}"
            raise PartFailedError(error.code, detail) from error
        accepted = self._work.part.records
        if self.records_read != accepted:
            detail = f"The part holds {self.records_read} records; {accepted} were accepted."
            raise PartFailedError("count_mismatch", detail)

    def write_last(self) -> PartEnd | None:
        """Write the last batch; where none of its records is rejected, end the part with it.

        Returns the part's end; None if the part has still to be finished with ``counts``. Raises
        the same errors as ``process``.
        """
        buffer = self._buffer
        if buffer.contacts and not buffer.rejected:
            self._rejections.flush()
            self.counts.imported += buffer.contacts
            if end := self._writer.write_last(buffer.batch, self.counts):
                return end
            self.counts.imported -= buffer.contacts
        self._flush()
        self._rejections.flush()
        return None

    def _runs(self, chunks: Iterator[bytes]) -> Iterator[RecordRun[Any]]:
        scanner = self._parser.scanner
        for chunk in chunks:
            yield from scanner.feed(chunk)
        yield from scanner.close()

    def _search_ignored_fields(self, run: RecordRun[Any]) -> None:
        """Read some records once more: the parser skips fields that are not imported."""
        ignored = self.counts.ignored
        if not ignored.is_full:
            is_first = self._next_record == self._work.part.first_record
            max_records = _RECORDS_SEARCHED_FIRST if is_first else 1
            ignored.add(self._parser.ignored_fields(run, max_records))

    def _flush(self) -> None:
        """Write the buffer: contacts first, since the database may reject more records."""
        buffer = self._buffer
        self._buffer = BatchBuffer(self._next_record, self._writer.batch_records)
        rejected = buffer.rejected
        if buffer.contacts:
            by_database = self._writer.write(buffer.batch)
            self.counts.imported += buffer.contacts - len(by_database)
            if by_database:
                rejected = sorted(rejected + by_database, key=_record_number)
        if rejected and self._work.rerun:
            # An earlier attempt may have imported some of them: a record is never both.
            stored = self._writer.contacts_among([each.record for each in rejected])
            self.counts.imported += len(stored)
            rejected = [each for each in rejected if each.record not in stored]
        if rejected:
            self.counts.rejected.update([each.reason.code for each in rejected])
            self._rejections.add(buffer.rejections(rejected, self._parser))


class BatchBuffer:
    """Consecutive runs whose contacts are written as one batch.

    The runs are kept until then: only then is it known which records the database rejects, and a
    rejection shows its record.
    """

    def __init__(self, first_record: int, max_records: int) -> None:
        """A single run may hold more than ``max_records``."""
        self.batch = Batch(first_record, [], [])
        self.contacts = 0
        """Number of contacts in the batch."""
        self.rejected: list[RejectedRecord] = []
        """The rejected records of the batch, in order."""
        self._max_records = max_records
        self._bytes = 0
        self._runs: list[tuple[int, RecordRun[Any]]] = []

    def has_room_for(self, classified: ClassifiedRun) -> bool:
        """Whether the run can be added: the first one always can."""
        records = len(self.batch) + len(classified.names)
        return not self._runs or (records <= self._max_records and self._bytes < MAX_BUFFER_BYTES)

    def add(self, classified: ClassifiedRun) -> None:
        """Append the run that follows the last one."""
        self.batch.names.extend(classified.names)
        self.batch.emails.extend(classified.emails)
        self.contacts += classified.contacts
        self.rejected += classified.rejected
        self._bytes += len(classified.run.raw)
        self._runs.append((classified.first_record, classified.run))

    def rejections(
        self, rejected: Sequence[RejectedRecord], parser: Parser[Any]
    ) -> list[Rejection]:
        """The rejections of these records of the buffer, which are in order, with their texts."""
        rejections: list[Rejection] = []
        start = 0
        for first_record, run in self._runs:
            after_run = first_record + len(run.records)
            end = bisect_left(rejected, after_run, start, key=_record_number)
            if end > start:
                texts = parser.texts(run)
                of_run = rejected[start:end]
                if len(of_run) < len(texts):
                    texts = [texts[each.record - first_record] for each in of_run]
                rejections += [
                    Rejection(each.record, each.reason.code, each.reason.message, content)
                    for each, content in zip(of_run, map(_content, texts), strict=True)
                ]
            start = end
        return rejections


def _record_number(rejected: RejectedRecord) -> int:
    return rejected.record


def _content(text: bytes) -> str:
    """The beginning of a rejected record as Postgres can store it: without NUL."""
    content = text[:MAX_CONTENT].decode("utf-8", "ignore")
    if "\0" not in content:
        return content
    replaced = content.replace("\0", "\ufffd").encode()
    return replaced[:MAX_CONTENT].decode("utf-8", "ignore")
