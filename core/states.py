"""The states of an import and of a part, as the database spells them."""

from enum import StrEnum
from typing import Final


class ImportState(StrEnum):
    """Life of an import; the moves between them are SQL functions in the migrations."""

    QUEUED = "queued"
    IMPORTING = "importing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"


class Format(StrEnum):
    """How the records of an object are written; the value is also the object's ending."""

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
