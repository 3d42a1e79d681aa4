"""What passes between the steps of a part's import."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import msgspec

from core.field_names import FieldNames
from core.models import Layout, Part
from core.states import Format
from tasks.importing.rejection_reasons import Reason


@dataclass(frozen=True, slots=True)
class Batch:
    """Neighbouring records as two columns: a fraction of the work that an object each would be.

    A field that a contact lacks is empty. Where both are empty, the record is no contact.
    """

    first_record: int
    """Number within the import, from 1; the others follow on it."""
    names: list[str]
    emails: list[str]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def numbers(self) -> range:
        """The numbers of the records."""
        return range(self.first_record, self.first_record + len(self.names))

    @property
    def has_contacts(self) -> bool:
        """Whether any of the records is a contact."""
        return any(self.names) or any(self.emails)

    def between(self, start: int, end: int) -> "Batch":
        """Some of the records, by their places in the batch."""
        return Batch(self.first_record + start, self.names[start:end], self.emails[start:end])


class RejectedRecord(msgspec.Struct, frozen=True, gc=False):
    """A record that is no contact, and why."""

    record: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run through a part. Only the last one that was begun may change or end the part."""

    import_id: UUID
    part: int
    """Number of the part within the import, from 1."""
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class PartWork:
    """All that a worker has to know to import a part."""

    attempt: Attempt
    source: str
    format: Format
    layout: Layout | None
    """Where a row's fields stand; CSV only."""
    object: str
    part: Part
    dry_run: bool = False
    """Whether contacts are only counted."""
    rerun: bool = False
    """Whether an earlier attempt may have written some of the part's contacts."""

    @property
    def import_id(self) -> UUID:
        """The import that the part belongs to."""
        return self.attempt.import_id


@dataclass(slots=True)
class PartCounts:
    """What has become of a part's records so far."""

    imported: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    """Number of rejections by code."""
    ignored: FieldNames = field(default_factory=FieldNames)
    """Fields that were seen and are no part of a contact."""

    @property
    def records(self) -> int:
        """Number of records that have come to an end, one way or the other."""
        return self.imported + self.rejected.total()

    def to_json(self) -> dict[str, Any]:
        """What the repository keeps of it when the part is done."""
        return {
            "imported": self.imported,
            "rejected": self.rejected.total(),
            "ignored": self.ignored.to_json() or None,
        }
