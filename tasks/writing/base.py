"""The contract between the import of a part and the ways to write its contacts."""

from collections.abc import Sequence
from typing import Protocol

from core.records.classify import RejectedRecord
from core.rejection_objects import Rejection
from tasks.importing.models import Batch, PartCounts, PartEnd, RejectionObject


class ContactWriter(Protocol):
    """Writes what one attempt makes of one part; a new one is made for each attempt.

    All methods raise UpstreamError, and InvalidTransitionError, StaleAttemptError or
    ImportCancelledError if the attempt must not write any more. The same records may be written any
    number of times, by this writer or by that of another attempt. Until the part is finished, its
    writes may be visible or not, and if it never is, they may stay or not.
    """

    @property
    def batch_records(self) -> int:
        """Number of records that a batch should have at most."""
        ...

    def write(self, batch: Batch) -> list[RejectedRecord]:
        """Write the contacts of a batch; returns those that the database rejects."""
        ...

    def contacts_among(self, records: list[int]) -> set[int]:
        """Return those of the records that an earlier attempt has written as contacts."""
        ...

    def reject(self, rejections: Sequence[Rejection]) -> None:
        """Write rejections to their table."""
        ...

    def add_rejection_object(self, stored: RejectionObject) -> None:
        """Record an object in Storage that holds rejections."""
        ...

    def write_last(self, batch: Batch, counts: PartCounts) -> PartEnd | None:
        """Write the last batch and finish the part with these counts, in one step.

        Returns None, and changes nothing, if that is not possible or the database rejects a record.
        """
        ...

    def finish(self, counts: PartCounts) -> PartEnd:
        """Finish the part with these counts, after everything else was written."""
        ...
