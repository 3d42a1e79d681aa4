"""Writes contacts and rejections through PostgREST.

Each request is a transaction of its own and may be repeated: the ids of contacts are computed from
the records' numbers, and existing rows are left alone.
"""

from collections.abc import Sequence
from typing import Final

from core.errors import BatchTooLargeError, PermanentError
from core.records.classify import RejectedRecord
from core.rejection_objects import Rejection
from tasks.importing.models import (
    Batch,
    PartCounts,
    PartEnd,
    PartWork,
    RejectionObject,
)
from tasks.repository import Repository
from tasks.writing.bisecting import ROW_ERRORS, rejected_records, write_bisecting
from tasks.writing.rejections import rejection_row
from tasks.writing.row_encoding import encode_batch

_REJECTIONS_PER_REQUEST: Final = 250


class PostgrestWriter:
    """A ContactWriter: what it has written is visible at once, and stays if the attempt fails."""

    def __init__(self, repository: Repository, work: PartWork, *, batch_records: int) -> None:
        self.batch_records = batch_records
        self._repository = repository
        self._work = work

    def write(self, batch: Batch) -> list[RejectedRecord]:
        """A request for each ``batch_records`` records, and more where the database rejects one."""
        rejected: list[RejectedRecord] = []
        for start in range(0, len(batch), self.batch_records):
            piece = batch.between(start, start + self.batch_records)
            rejected += write_bisecting(piece, self._write, self._write_by_row)
        return rejected

    def contacts_among(self, records: list[int]) -> set[int]:
        """Ask the database."""
        return self._repository.contacts_among(self._work.import_id, records)

    def reject(self, rejections: Sequence[Rejection]) -> None:
        """In small requests: a rejection may be a few kilobytes."""
        attempt = self._work.attempt
        rows = [rejection_row(attempt, rejection) for rejection in rejections]
        for start in range(0, len(rows), _REJECTIONS_PER_REQUEST):
            self._repository.write_rejections(
                attempt, rows[start : start + _REJECTIONS_PER_REQUEST]
            )

    def add_rejection_object(self, stored: RejectionObject) -> None:
        """Record it at once."""
        self._repository.add_rejection_object(self._work.attempt, stored)

    def write_last(self, batch: Batch, counts: PartCounts) -> PartEnd | None:
        """One request if the batch is small enough for that."""
        if len(batch) > self.batch_records:
            return None
        try:
            text = encode_batch(batch, self._work, finish=counts.to_json())
            return self._repository.write_contacts(text)
        except BatchTooLargeError:
            return None
        except PermanentError as error:
            # "PT4" is also how a part's end is rejected: finish() then raises what that means.
            if error.code.startswith(ROW_ERRORS):
                return None
            raise

    def finish(self, counts: PartCounts) -> PartEnd:
        """One request."""
        return self._repository.finish_part(self._work.attempt, counts)

    def _write(self, batch: Batch) -> None:
        self._repository.write_contacts(encode_batch(batch, self._work))

    def _write_by_row(self, batch: Batch) -> list[RejectedRecord]:
        text = encode_batch(batch, self._work, row_errors=ROW_ERRORS)
        return rejected_records(self._repository.write_contacts_by_row(text))
