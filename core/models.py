"""What the repository says of an import, as both processes pass it around."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from core.formats.spreadsheet import REJECTION_COLUMNS


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a CSV object are read; positions count from 0."""

    fields: int
    """Number of fields in the header, and so in every good row."""
    name: int | None
    email: int | None
    header: tuple[str, ...] = ()
    """Names of the columns as they came; none if they are too many or too long to be kept."""
    first_name: int | None = None
    last_name: int | None = None
    """Joined they make the name; both None where there is a name."""
    delimiter: str = ","

    def columns(self) -> dict[str, int]:
        """Where each field of a contact stands that has a column."""
        places = {
            "name": self.name,
            "email": self.email,
            "first_name": self.first_name,
            "last_name": self.last_name,
        }
        return {field: at for field, at in places.items() if at is not None}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The layout as the repository keeps it; one of an older version lacks what it did not know."""
        return cls(**{**value, "header": tuple(value.get("header", ()))})

    def to_json(self) -> dict[str, Any]:
        """The layout as the repository keeps it."""
        return asdict(self)

    @property
    def neutralised(self) -> bool:
        """Whether the file is one of rejections that we made: see core.formats.spreadsheet."""
        return self.header[: len(REJECTION_COLUMNS)] == REJECTION_COLUMNS


@dataclass(frozen=True, slots=True)
class Part:
    """A byte range of the object that holds whole records: the unit of work and of retry."""

    part: int
    """Number within the import, from 1."""
    byte_start: int
    byte_end: int
    """Offset behind the last byte."""
    first_record: int
    """Number of its first record within the import, from 1."""
    records: int

    def to_json(self) -> dict[str, int]:
        """The part as the repository keeps it."""
        return asdict(self)
