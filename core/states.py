"""The states of an import and of a part, as the database spells them."""

from enum import StrEnum
from typing import Final


class ImportState(StrEnum):
    """State of an import."""

    QUEUED = "queued"
    IMPORTING = "importing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"


ENDED: Final = (
    ImportState.COMPLETED,
    ImportState.FAILED,
    ImportState.CANCELLED,
    ImportState.UNDONE,
    ImportState.UNDO_FAILED,
)
"""States that an import leaves only when a client asks for it."""


class Format(StrEnum):
    """Format of the records of an import."""

    # The values are also the file extensions of the stored objects.

    JSON = "json"
    CSV = "csv"
    NDJSON = "ndjson"

    @property
    def content_type(self) -> str:
        """Media type under which Storage keeps such an object."""
        return _CONTENT_TYPES[self.value]


_CONTENT_TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
}
