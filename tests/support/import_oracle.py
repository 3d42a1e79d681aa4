"""What the workers make of an object, beside what a plain reader makes of it."""

from collections.abc import Sequence
from typing import Any

from core.ids import new_import_id
from core.models import Layout, Part
from core.rejection_objects import Rejection, RejectionReader
from core.states import ImportState
from service.splitting.part_cutter import Split
from tasks.importing.models import Attempt, Batch, PartCounts, PartWork, RejectedRecord
from tasks.importing.pipeline import PartPipeline
from tasks.importing.rejection_reasons import NOT_AN_OBJECT, WRONG_FIELD_COUNT
from tasks.importing.validation import RecordRejectedError, validated
from tasks.repository import PartEnd
from tasks.writing.rejections import RejectionObject, Rejections
from tests.support.reference import Content
from tests.support.splits import pieces_of

Fate = tuple[str, str] | str
"""Name and e-mail of a contact, empty where there is none, or the code of a rejection."""


class Books:
    """Stands for both tables, as a writer, and for the bucket."""

    batch_records = 3

    def __init__(self) -> None:
        self.fates: dict[int, Fate] = {}
        """What became of each record."""
        self.texts: list[str] = []
        """Of the rejections."""

    def write(self, batch: Batch) -> list[RejectedRecord]:
        found = zip(batch.numbers, batch.names, batch.emails, strict=True)
        for record, name, email in found:
            if name or email:
                self._note(record, (name, email))
        return []

    def reject(self, rejections: Sequence[Rejection]) -> None:
        for rejection in rejections:
            self._note(rejection.record, rejection.code)
            self.texts.append(rejection.content)

    def reject_stored(self, stored: RejectionObject) -> None:
        """The object was put before: its rejections are noted already."""
        assert self.fates[stored.first_record]
        assert self.fates[stored.last_record]

    def contacts_among(self, records: list[int]) -> set[int]:
        raise AssertionError("this is not a rerun")

    def put(self, name: str, content: bytes, content_type: str) -> None:
        reader = RejectionReader()
        for batch in reader.feed(content):
            self.reject(batch)
        reader.close()

    def names_in(self, folder: str, *, prefix: str = "") -> list[str]:
        return []

    def remove(self, names: Sequence[str]) -> None:
        raise AssertionError("there is nothing to remove")

    def write_last(self, batch: Batch, counts: PartCounts) -> PartEnd:
        self.write(batch)
        return self.finish(counts)

    def finish(self, counts: PartCounts) -> PartEnd:
        return PartEnd(True, ImportState.COMPLETED, True, None)

    def _note(self, record: int, fate: Fate) -> None:
        assert record not in self.fates, "a record came twice"
        self.fates[record] = fate


def carry_all(stored: bytes, split: Split, parts: Sequence[Part], *, piece: int) -> Books:
    """Carry these parts as the workers do, of an object that arrives in pieces of that size."""
    books = Books()
    for part in parts:
        attempt = Attempt(new_import_id(), part.part)
        work = PartWork(attempt, "s", split.format, split.layout, "o", part)
        pipeline = PartPipeline(work, books, Rejections(work, books, books))
        pipeline.carry(iter(pieces_of(stored[part.byte_start : part.byte_end], piece)))
        pipeline.finish()
        assert pipeline.counts.records == pipeline.records_read == part.records
    return books


def as_one_part(split: Split) -> list[Part]:
    """All records in a single part."""
    if not split.parts:
        return []
    return [Part(1, split.parts[0].byte_start, split.parts[-1].byte_end, 1, split.records)]


def fates_of(content: Content) -> dict[int, Fate]:
    """What must become of each record."""
    layout = content.layout
    return {
        number: _fate(*(_row(record, layout) if layout else _object(record)))
        for number, record in enumerate(content.records, 1)
    }


def judge_books(books: Books, content: Content) -> None:
    """Assert that each record is where it should be, and that all can be stored."""
    assert books.fates == fates_of(content)
    contacts = [fate for fate in books.fates.values() if not isinstance(fate, str)]
    for text in [*books.texts, *(field for fate in contacts for field in fate if field)]:
        assert "\0" not in text
        assert text.encode()


def _object(record: Any) -> tuple[Any, Any, str | None]:
    if not isinstance(record, dict):
        return None, None, NOT_AN_OBJECT.code
    return record.get("name"), record.get("email"), None


def _row(row: list[str], layout: Layout) -> tuple[Any, Any, str | None]:
    if len(row) != layout.fields:
        return None, None, WRONG_FIELD_COUNT.code
    at = (layout.name, layout.email)
    name, email = (None if place is None else row[place] for place in at)
    return name, email, None


def _fate(name: Any, email: Any, refused: str | None) -> Fate:
    try:
        return refused or validated(name, email)
    except RecordRejectedError as error:
        return error.reason.code
