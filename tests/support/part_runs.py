"""Runs the workers' code on the parts of an object, without Supabase."""

from collections.abc import Sequence

from core.ids import contact_id_prefix, new_import_id
from core.models import Part
from core.records.classify import RejectedRecord
from core.rejection_objects import Rejection, RejectionReader
from core.states import ImportState
from service.splitting.part_cutter import Split
from tasks.importing.models import (
    Attempt,
    Batch,
    PartCounts,
    PartEnd,
    PartWork,
    RejectionObject,
)
from tasks.importing.part_pipeline import PartPipeline
from tasks.writing.rejections import PartRejections
from tests.support.reference_rules import Outcome
from tests.support.splits import pieces_of


class FakeTables:
    """Takes the place of both tables, as a writer, and of the bucket for rejections."""

    batch_records = 3

    def __init__(self) -> None:
        self.outcomes: dict[int, Outcome] = {}
        """By record number."""
        self.texts: list[str] = []
        """The contents of the rejections."""

    def write(self, batch: Batch) -> list[RejectedRecord]:
        rows = zip(batch.numbers, batch.names, batch.emails, strict=True)
        for record, name, email in rows:
            if name or email:
                self._add(record, (name, email))
        return []

    def reject(self, rejections: Sequence[Rejection]) -> None:
        for rejection in rejections:
            self._add(rejection.record, rejection.code)
            self.texts.append(rejection.content)

    def add_rejection_object(self, stored: RejectionObject) -> None:
        """Record an object of rejections, which ``put`` has read already."""
        assert self.outcomes[stored.first_record]
        assert self.outcomes[stored.last_record]

    def contacts_among(self, records: list[int]) -> set[int]:
        raise AssertionError("only another attempt asks this")

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

    def _add(self, record: int, outcome: Outcome) -> None:
        assert record not in self.outcomes, "a record came twice"
        self.outcomes[record] = outcome


def run_parts(stored: bytes, split: Split, parts: Sequence[Part], *, piece: int) -> FakeTables:
    """Import these parts of an object that arrives in pieces of ``piece`` bytes."""
    tables = FakeTables()
    for part in parts:
        import_id = new_import_id()
        prefix = contact_id_prefix(import_id)
        attempt = Attempt(import_id, part.part)
        work = PartWork(attempt, "s", split.format, split.plan, "o", len(stored), part, prefix)
        pipeline = PartPipeline(work, tables, PartRejections(work, tables, tables))
        pipeline.process(iter(pieces_of(stored[part.byte_start : part.byte_end], piece)))
        pipeline.write_last()
        counts = pipeline.counts
        ended = counts.imported + counts.rejected.total() + counts.skipped.total()
        assert ended == part.records == pipeline.records_read
    return tables


def as_one_part(split: Split) -> list[Part]:
    """Return a single part with all records."""
    if not split.parts:
        return []
    return [Part(1, split.parts[0].byte_start, split.parts[-1].byte_end, 1, split.records)]
