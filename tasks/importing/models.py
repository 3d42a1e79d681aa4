"""The values that pass between the steps of a part's import, and to and from the repository."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias
from uuid import UUID, uuid4

from core.field_names import FieldNames
from core.models import Part
from core.reading.plan import ReadingPlan
from core.reading.warnings import MAX_WARNED_RECORDS
from core.records.models import WarningCount
from core.states import Format, ImportState


@dataclass(frozen=True, slots=True)
class StartedImport:
    """An import that has been started: now, or some time ago."""

    state: ImportState
    parts: tuple[int, ...]
    """Numbers of the first parts that no message has taken."""
    generation: int = 0
    """How often the import was retried."""
    is_small: bool = False
    """Whether its part is processed beside those of large imports."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run through a part. Only the attempt that was started last may change the part."""

    import_id: UUID
    part: int
    """Number of the part within the import, from 1."""
    id: UUID = field(default_factory=uuid4)
    traceparent: str | None = field(default=None, compare=False)
    """The request that made or retried the import, in its trace; None if it was not traced."""


@dataclass(frozen=True, slots=True)
class PartWork:
    """Everything that a worker has to know to import a part."""

    attempt: Attempt
    source: str
    format: Format
    plan: ReadingPlan
    """How its records are read."""
    object: str
    """Name of the stored object."""
    object_bytes: int
    """Size of the stored object."""
    part: Part
    contact_prefix: str
    """What the ids of the import's contacts begin with; the record's number follows."""
    dry_run: bool = False
    """Whether contacts are counted and not written."""
    rerun: bool = False
    """Whether an earlier attempt may have written some of the part's contacts."""

    @property
    def import_id(self) -> UUID:
        """The import that the part belongs to."""
        return self.attempt.import_id


@dataclass(frozen=True, slots=True)
class PartEnd:
    """What the end of a part has changed."""

    newly_recorded: bool
    """False if the part had ended in this way before."""
    import_state: ImportState
    import_closed: bool
    """Whether the import ended with this part."""
    import_seconds: float | None
    """From the import's acceptance to its end."""

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what the SQL function ``part_ended`` returns."""
        state = ImportState(value["state"])
        return cls(value["moved"], state, value["closed"], value["seconds"])


@dataclass(frozen=True, slots=True)
class PartGivenUp:
    """The part has failed just now: too many of its attempts never ended."""

    attempt: Attempt
    end: PartEnd


@dataclass(frozen=True, slots=True)
class PartCancelled:
    """The part was cancelled just now, since its import is being cancelled."""

    attempt: Attempt
    end: PartEnd


@dataclass(frozen=True, slots=True)
class NeedsExclusiveRun:
    """The part may have killed a worker: start it where nothing else runs. No attempt was made."""

    attempt: Attempt


PartStart: TypeAlias = PartWork | PartGivenUp | PartCancelled | NeedsExclusiveRun | None
"""Result of starting a part; None if no part is left for the message."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records as two columns: much cheaper than an object for each.

    A field that a contact lacks is empty. Where both are empty, the record was rejected or skipped.
    """

    first_record: int
    """Number of the first record within the import, from 1."""
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
        """The records at the positions ``[start, end)`` of this batch."""
        return Batch(self.first_record + start, self.names[start:end], self.emails[start:end])


@dataclass(frozen=True, slots=True)
class RejectionObject:
    """An object in Storage that holds rejections, as the repository records it."""

    object: str
    """Its name in the bucket."""
    first_record: int
    last_record: int
    codes: dict[str, int]
    """Number of rejections in it by code."""


@dataclass(slots=True)
class PartCounts:
    """What has become of a part's records so far."""

    imported: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    """Number of rejections by code."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Number of rows that are no records of contacts, by code."""
    warnings: dict[str, WarningCount] = field(default_factory=dict)
    """By code."""
    ignored: FieldNames = field(default_factory=FieldNames)
    """Names of fields that occur in the records and are not imported."""

    def warn(self, record: int, code: str) -> None:
        """Count a warning about a record; records come in order."""
        warning = self.warnings.setdefault(code, WarningCount())
        warning.count += 1
        if len(warning.records) < MAX_WARNED_RECORDS:
            warning.records.append(record)

    def to_json(self) -> dict[str, Any]:
        """The counts as the SQL function ``finish_part`` takes them."""
        return {
            "imported": self.imported,
            "rejected": self.rejected.total(),
            "skipped": dict(self.skipped) or None,
            "warnings": {
                code: {"count": warning.count, "records": warning.records}
                for code, warning in self.warnings.items()
            }
            or None,
            "ignored": self.ignored.to_json() or None,
        }
