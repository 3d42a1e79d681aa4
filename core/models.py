"""Parts of an import that the service records and the workers read back."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from core.formats.formula_escaping import REJECTION_COLUMNS


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a CSV object are read; positions of columns count from 0."""

    fields: int
    """Number of fields in the header, and so in every valid row."""
    name: int | None
    email: int | None
    header: tuple[str, ...] = ()
    """Names of the columns as the client sent them; empty if they are too many or too long."""
    first_name: int | None = None
    last_name: int | None = None
    """First and last name are joined to the name; both are None if there is a ``name`` column."""
    delimiter: str = ","

    def columns(self) -> dict[str, int]:
        """Return the positions of those fields of a contact that have a column."""
        positions = {
            "name": self.name,
            "email": self.email,
            "first_name": self.first_name,
            "last_name": self.last_name,
        }
        return {field: at for field, at in positions.items() if at is not None}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read the layout from the database; one that an older version wrote has fewer keys."""
        return cls(**{**value, "header": tuple(value.get("header", ()))})

    def to_json(self) -> dict[str, Any]:
        """Return the layout for the database."""
        return asdict(self)

    @property
    def formulas_escaped(self) -> bool:
        """Whether the file is one of rejections, in which we escaped formulas."""
        return self.header[: len(REJECTION_COLUMNS)] == REJECTION_COLUMNS


@dataclass(frozen=True, slots=True)
class Part:
    """A byte range of the object that holds whole records: the unit of work and of retry."""

    part: int
    """Number within the import, from 1."""
    byte_start: int
    byte_end: int
    """Offset after the last byte."""
    first_record: int
    """Number of its first record within the import, from 1."""
    records: int

    def to_json(self) -> dict[str, int]:
        """Return the part for the database."""
        return asdict(self)
