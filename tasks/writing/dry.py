"""A dry run: all is read, validated and counted, and only rejections are written."""

from tasks.ledger import PartEnd
from tasks.model import Batch, Refusal, Tally
from tasks.writing.postgrest import PostgrestDesk


class DryDesk(PostgrestDesk):
    """Takes what comes of one part, whichever way contacts are written; see carrying.Desk.

    What only the database itself would refuse is not found.
    """

    def write(self, batch: Batch) -> list[Refusal]:  # noqa: ARG002 -- counted by others
        """See carrying.Desk."""
        return []

    def write_last(self, batch: Batch, tally: Tally) -> PartEnd:  # noqa: ARG002
        """See carrying.Desk."""
        return self.finish(tally)
