"""Carries the records of one part from the object into the tables."""

from collections.abc import Generator, Iterator
from typing import Any, Final, Protocol

from config.errors import MalformedInput
from config.formats.runs import Run
from tasks.errors import PartFailed
from tasks.ledger import PartEnd
from tasks.model import Batch, PartWork, Refusal, Tally
from tasks.parsing import Parser, parser_for
from tasks.sifting import Sifted
from tasks.window import Window
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


class Desk(RejectionTables, Protocol):
    """Where the records of one part go to; made anew for each run.

    All raise UpstreamError. The same records may come any number of times, on this or on another
    desk; before the part is finished, what was written may stay or be undone.
    """

    @property
    def batch_records(self) -> int:
        """How many records it wants at a time."""
        ...

    def write(self, batch: Batch) -> list[Refusal]:
        """Store contacts; returns those that the database refuses."""
        ...

    def contacts_among(self, records: list[int]) -> set[int]:
        """Those of these records of which an earlier attempt has stored a contact."""
        ...

    def write_last(self, batch: Batch, tally: Tally) -> PartEnd | None:
        """Store contacts and end the part, of which these are the last counts, in one step.

        None if that is not possible, or if some are refused: then nothing has changed.
        """
        ...

    def finish(self, tally: Tally) -> PartEnd:
        """End the part with its counts; raises IllegalMove if it is in another's hands."""
        ...


class Carrier:
    """One run through one part; not to be used twice."""

    def __init__(self, work: PartWork, desk: Desk, rejections: Rejections) -> None:
        self.tally = Tally()
        self._work = work
        self._desk = desk
        self._rejections = rejections
        self._parser: Parser[Any] = parser_for(work)
        self._next_record = work.part.first_record
        self._window = Window(self._next_record, desk.batch_records)
        self._refusals: list[Refusal] = []

    @property
    def records_read(self) -> int:
        """Number of records found so far, whatever becomes of them."""
        return self._parser.runs.records

    def carry(self, pieces: Iterator[bytes]) -> None:
        """Read all records and write them, but for the last ones.

        Raises UpstreamError, or PartFailed if the bytes are not those that were accepted.
        """
        try:
            for run in self._runs(pieces):
                if run.records:
                    self._take(run)
        except MalformedInput as error:
            detail = f"The stored object cannot be read: {error.detail}"
            raise PartFailed(error.code, detail) from error
        found, accepted = self.records_read, self._work.part.records
        if found != accepted:
            detail = f"The part holds {found} records; {accepted} were accepted."
            raise PartFailed(_COUNT_MISMATCH, detail)

    def finish(self) -> PartEnd | None:
        """Write what waits: where nothing is refused, in one step with the part's end.

        Returns that end; None if it is still to be told, with the tally.
        """
        window = self._window
        if window.contacts and not self._refusals:
            self._rejections.flush()
            self.tally.imported += window.contacts
            if end := self._desk.write_last(window.batch, self.tally):
                return end
            self.tally.imported -= window.contacts
        self._flush()
        self._rejections.flush()
        return None

    def _runs(self, pieces: Iterator[bytes]) -> Iterator[Run[Any]]:
        for piece in pieces:
            yield from self._parser.runs.feed(piece)
        yield from self._parser.runs.close()

    def _take(self, run: Run[Any]) -> None:
        self._note_unknown(run)
        sifted = Sifted(run, self._next_record, self._parser)
        if not self._window.has_room(sifted):
            self._flush()
        self._window.add(sifted)
        self._next_record += len(run.records)
        self._refusals += sifted.refusals

    def _note_unknown(self, run: Run[Any]) -> None:
        """Look at some records once more: usually their other fields are skipped unread."""
        ignored = self.tally.ignored
        if not ignored.is_full:
            is_first = self._next_record == self._work.part.first_record
            ignored.note(self._parser.unknown(run, _FIRST_LOOKED_AT if is_first else 1))

    def _flush(self) -> None:
        """Write what waits. Contacts first: what the database refuses is a rejection, too."""
        window, self._window = self._window, Window(self._next_record, self._desk.batch_records)
        refused = self._desk.write(window.batch) if window.contacts else []
        self.tally.imported += window.contacts - len(refused)
        refusals = sorted(self._refusals + refused, key=_record) if refused else self._refusals
        self._refusals = []
        if refusals and self._work.rerun:
            refusals = self._without_contacts(refusals)
        if refusals:
            self.tally.rejected.update([refusal.reason.code for refusal in refusals])
            self._rejections.add(window.rejections(refusals, self._parser))

    def _without_contacts(self, refusals: list[Refusal]) -> list[Refusal]:
        """Leave out what an earlier attempt could import: a record is one or the other."""
        known = self._desk.contacts_among([refusal.record for refusal in refusals])
        self.tally.imported += len(known)
        return [refusal for refusal in refusals if refusal.record not in known]


def _record(refusal: Refusal) -> int:
    return refusal.record
