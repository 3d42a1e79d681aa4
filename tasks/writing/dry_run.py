"""A dry run: everything is read, validated and counted, and only rejections are written."""

from core.records.classify import RejectedRecord
from tasks.importing.models import Batch, PartCounts, PartEnd
from tasks.writing.postgrest import PostgrestWriter


class DryRunWriter(PostgrestWriter):
    """A ContactWriter that writes no contacts, whatever the setting for others is.

    Records that only the database would reject count as imported.
    """

    def write(self, batch: Batch) -> list[RejectedRecord]:  # noqa: ARG002 -- the pipeline counts
        """Write nothing."""
        return []

    def write_last(self, batch: Batch, counts: PartCounts) -> PartEnd:  # noqa: ARG002
        """Finish the part; there is nothing to write."""
        return self.finish(counts)
