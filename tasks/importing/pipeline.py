"""Carries the records of one part from the object into the tables."""

from bisect import bisect_left
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Final, Protocol

from core.errors import MalformedInputError
from core.formats.base import RecordRun
from core.rejection_objects import Rejection
from tasks.errors import PartFailedError
from tasks.importing.models import Batch, PartCounts, PartWork, RejectedRecord
from tasks.importing.parsing import Parser, parser_for
from tasks.importing.rejection_reasons import Reason
from tasks.importing.validation import RecordRejectedError, all_plain, judged, unusual, validated
from tasks.repository import PartEnd
from tasks.writing.rejections import Rejections, RejectionTables

_COUNT_MISMATCH: Final = "count_mismatch"
_FIRST_LOOKED_AT: Final = 100
"""Records of a part, of its first 64 KiB or so, in which the names of ignored fields are sought.

After that it is one in each such piece.
"""


class PartReader(Protocol):
    """Gives the bytes of an object."""

    def read(self, name: str, start: int, end: int) -> Generator[bytes, None, None]:
        """The bytes ``[start, end)`` in pieces, to be closed; raises UpstreamError."""
        ...


class ContactWriter(RejectionTables, Protocol):
    """Where the records of one part go to; made anew for each run.

    All raise UpstreamError. The same records may come any number of times, on this or on another
    writer; before the part is finished, what was written may stay or be undone.
    """

    @property
    def batch_records(self) -> int:
        """How many records it wants at a time."""
        ...

    def write(self, batch: Batch) -> list[RejectedRecord]:
        """Store contacts; returns those that the database refuses."""
        ...

    def contacts_among(self, records: list[int]) -> set[int]:
        """Those of these records of which an earlier attempt has stored a contact."""
        ...

    def write_last(self, batch: Batch, counts: PartCounts) -> PartEnd | None:
        """Store contacts and end the part, of which these are the last counts, in one step.

        None if that is not possible, or if some are refused: then nothing has changed.
        """
        ...

    def finish(self, counts: PartCounts) -> PartEnd:
        """End the part with its counts; raises InvalidTransitionError if it is in another's hands."""
        ...


class PartPipeline:
    """One run through one part; not to be used twice."""

    def __init__(self, work: PartWork, writer: ContactWriter, rejections: Rejections) -> None:
        self.counts = PartCounts()
        self._work = work
        self._writer = writer
        self._rejections = rejections
        self._parser: Parser[Any] = parser_for(work)
        self._next_record = work.part.first_record
        self._window = BatchBuffer(self._next_record, writer.batch_records)
        self._refusals: list[RejectedRecord] = []

    @property
    def records_read(self) -> int:
        """Number of records found so far, whatever becomes of them."""
        return self._parser.runs.records

    def carry(self, pieces: Iterator[bytes]) -> None:
        """Read all records and write them, but for the last ones.

        Raises UpstreamError, or PartFailedError if the bytes are not those that were accepted.
        """
        try:
            for run in self._runs(pieces):
                if run.records:
                    self._take(run)
        except MalformedInputError as error:
            detail = f"The stored object cannot be read: {error.detail}"
            raise PartFailedError(error.code, detail) from error
        found, accepted = self.records_read, self._work.part.records
        if found != accepted:
            detail = f"The part holds {found} records; {accepted} were accepted."
            raise PartFailedError(_COUNT_MISMATCH, detail)

    def finish(self) -> PartEnd | None:
        """Write what waits: where nothing is refused, in one step with the part's end.

        Returns that end; None if it is still to be told, with the counts.
        """
        window = self._window
        if window.contacts and not self._refusals:
            self._rejections.flush()
            self.counts.imported += window.contacts
            if end := self._writer.write_last(window.batch, self.counts):
                return end
            self.counts.imported -= window.contacts
        self._flush()
        self._rejections.flush()
        return None

    def _runs(self, pieces: Iterator[bytes]) -> Iterator[RecordRun[Any]]:
        for piece in pieces:
            yield from self._parser.runs.feed(piece)
        yield from self._parser.runs.close()

    def _take(self, run: RecordRun[Any]) -> None:
        self._note_unknown(run)
        classified = ClassifiedRun(run, self._next_record, self._parser)
        if not self._window.has_room(classified):
            self._flush()
        self._window.add(classified)
        self._next_record += len(run.records)
        self._refusals += classified.refusals

    def _note_unknown(self, run: RecordRun[Any]) -> None:
        """Look at some records once more: usually their other fields are skipped unread."""
        ignored = self.counts.ignored
        if not ignored.is_full:
            is_first = self._next_record == self._work.part.first_record
            ignored.add(self._parser.unknown(run, _FIRST_LOOKED_AT if is_first else 1))

    def _flush(self) -> None:
        """Write what waits. Contacts first: what the database refuses is a rejection, too."""
        window, self._window = (
            self._window,
            BatchBuffer(self._next_record, self._writer.batch_records),
        )
        refused = self._writer.write(window.batch) if window.contacts else []
        self.counts.imported += window.contacts - len(refused)
        refusals = sorted(self._refusals + refused, key=_record) if refused else self._refusals
        self._refusals = []
        if refusals and self._work.rerun:
            refusals = self._without_contacts(refusals)
        if refusals:
            self.counts.rejected.update([refusal.reason.code for refusal in refusals])
            self._rejections.add(window.rejections(refusals, self._parser))

    def _without_contacts(self, refusals: list[RejectedRecord]) -> list[RejectedRecord]:
        """Leave out what an earlier attempt could import: a record is one or the other."""
        known = self._writer.contacts_among([refusal.record for refusal in refusals])
        self.counts.imported += len(known)
        return [refusal for refusal in refusals if refusal.record not in known]


def _record(refusal: RejectedRecord) -> int:
    return refusal.record


class ClassifiedRun:
    """One run as two columns, in which a refused record leaves a gap."""

    def __init__(self, run: RecordRun[Any], first_record: int, parser: Parser[Any]) -> None:
        self.run = run
        self.first_record = first_record
        self.names: list[str] = []
        self.emails: list[str] = []
        self.refusals: list[RejectedRecord] = []
        columns = parser.columns(run.records)
        if columns is None:
            self._sift_records(parser)
            return
        self.names, self.emails = columns
        if not all_plain(*columns):
            self._sift_columns()

    @property
    def contacts(self) -> int:
        """Number of records that are contacts."""
        return len(self.names) - len(self.refusals)

    def _sift_records(self, parser: Parser[Any]) -> None:
        """One record after the other: some are not of the usual kind."""
        for number, record in enumerate(self.run.records, self.first_record):
            try:
                name, email = validated(*parser.fields(record))
            except RecordRejectedError as refused:
                name, email = self._noted(number, refused.reason)
            self.names.append(name)
            self.emails.append(email)

    def _sift_columns(self) -> None:
        """Only those that are not plain."""
        names, emails, first = self.names, self.emails, self.first_record
        for at in unusual(names, emails):
            names[at], emails[at] = self._noted(first + at, judged(names[at], emails[at]))

    def _noted(self, number: int, found: tuple[str, str] | Reason) -> tuple[str, str]:
        if isinstance(found, Reason):
            self.refusals.append(RejectedRecord(number, found))
            return "", ""
        return found


MAX_CONTENT: Final = 4096
"""Bytes of a rejected record that are kept."""

MAX_BYTES: Final = 2 * 1024 * 1024
"""Text of a window; one run more may come on top."""


class BatchBuffer:
    """Neighbouring runs, kept until their contacts are written.

    Only then is it known which records the database refuses, and a rejection shows its record.
    """

    def __init__(self, first_record: int, max_records: int) -> None:
        """``max_records`` may be passed by a single run that holds more."""
        self._max_records = max_records
        self.batch = Batch(first_record, [], [])
        self.contacts = 0
        """Number of contacts in the batch."""
        self._bytes = 0
        self._runs: list[tuple[int, RecordRun[Any]]] = []

    def has_room(self, classified: ClassifiedRun) -> bool:
        """Whether another run may join those that wait."""
        records = len(self.batch) + len(classified.names)
        return not self._runs or (records <= self._max_records and self._bytes < MAX_BYTES)

    def add(self, classified: ClassifiedRun) -> None:
        """Let a run wait."""
        self.batch.names.extend(classified.names)
        self.batch.emails.extend(classified.emails)
        self.contacts += classified.contacts
        self._bytes += len(classified.run.raw)
        self._runs.append((classified.first_record, classified.run))

    def rejections(
        self, refusals: Sequence[RejectedRecord], parser: Parser[Any]
    ) -> list[Rejection]:
        """The refusals of records in this window, in their order, with the records as they came."""
        rejections: list[Rejection] = []
        at = 0
        for first, run in self._runs:
            end = bisect_left(refusals, first + len(run.records), at, key=_record)
            if end > at:
                texts = parser.texts(run)
                rejections += [
                    Rejection(
                        refusal.record,
                        refusal.reason.code,
                        refusal.reason.message,
                        _storable(texts[refusal.record - first]),
                    )
                    for refusal in refusals[at:end]
                ]
            at = end
        return rejections


def _storable(text: bytes) -> str:
    shown = text[:MAX_CONTENT].decode("utf-8", "ignore")
    if "\0" not in shown:
        return shown
    replaced = shown.replace("\0", "\ufffd").encode()
    return replaced[:MAX_CONTENT].decode("utf-8", "ignore")
