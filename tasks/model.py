"""What passes between the steps of a part's import."""

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from config.model import Layout, Part
from config.states import Format
from tasks.reasons import Reason


class Contact(msgspec.Struct, frozen=True, gc=False):
    """A valid, normalised record (a struct, because a dataclass takes five times as long)."""

    record: int
    """Number within the import, from 1."""
    name: str | None
    email: str | None


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A record that is no contact, and why."""

    record: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refusal as it is stored, with the record itself."""

    record: int
    reason: Reason
    content: str


@dataclass(frozen=True, slots=True)
class PartWork:
    """All that a worker has to know to import a part."""

    import_id: UUID
    source: str
    format: Format
    layout: Layout | None
    """Where a row's fields stand; CSV only."""
    object: str
    part: Part


@dataclass(slots=True)
class Tally:
    """What has become of a part's records so far."""

    imported: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    """Number of rejections by code."""

    @property
    def records(self) -> int:
        """Number of records that have come to an end, one way or the other."""
        return self.imported + self.rejected.total()
