"""The states of an import and of a part, as the database spells them."""

from enum import StrEnum


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


class Format(StrEnum):
    """How the records of an object are written; the value is also the object's ending."""

    JSON = "json"
    CSV = "csv"

    @property
    def content_type(self) -> str:
        """Media type under which Storage keeps such an object."""
        return {"json": "application/json", "csv": "text/csv"}[self.value]
