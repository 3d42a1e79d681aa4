"""Parts of an import that the service records and the workers read back."""

from dataclasses import asdict, dataclass


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
