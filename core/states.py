"""The states of an import and the formats of its object, as the database spells them."""

from enum import StrEnum
from typing import Final


class ImportState(StrEnum):
    """State of an import; SQL functions make all changes and reject those that are not allowed."""

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
    """Format of an object's records; the value is also the suffix of the object's name."""

    JSON = "json"
    CSV = "csv"
    NDJSON = "ndjson"

    @property
    def content_type(self) -> str:
        """Media type with which such an object is stored."""
        return _CONTENT_TYPES[self.value]


_CONTENT_TYPES: Final = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
}
