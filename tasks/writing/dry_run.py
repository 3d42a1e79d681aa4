"""A dry run: all is read, validated and counted, and only rejections are written."""

from tasks.importing.models import Batch, PartCounts, RejectedRecord
from tasks.repository import PartEnd
from tasks.writing.postgrest import PostgrestWriter


class DryRunWriter(PostgrestWriter):
    """Takes what comes of one part, whichever way contacts are written; see carrying.ContactWriter.

    What only the database itself would refuse is not found.
    """

    def write(self, batch: Batch) -> list[RejectedRecord]:  # noqa: ARG002 -- counted by others
        """See carrying.ContactWriter."""
        return []

    def write_last(self, batch: Batch, counts: PartCounts) -> PartEnd:  # noqa: ARG002
        """See carrying.ContactWriter."""
        return self.finish(counts)
