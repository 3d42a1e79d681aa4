"""The values that pass between the steps of reading one record."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Candidates(NamedTuple):
    """What one record has for the fields of a contact, not validated, the preferred ones first."""

    names: tuple[object, ...] = ()
    """Full names."""
    first_names: tuple[object, ...] = ()
    last_names: tuple[object, ...] = ()
    emails: tuple[object, ...] = ()
    warnings: tuple[str, ...] = ()
    """Codes of warnings about the record as a whole, if it is a contact."""


class Contact(NamedTuple):
    """A valid contact, as it is stored; a field that it lacks is empty."""

    name: str
    email: str
    warnings: tuple[str, ...] = ()
    """Codes of core.reading.warnings."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that is no record of a contact, such as a blank one."""

    code: str
    """One of SKIPPED_ROWS of core.reading.warnings."""


@dataclass(slots=True)
class WarningCount:
    """How often one warning applies, and to which records first."""

    count: int = 0
    records: list[int] = field(default_factory=list)
    """Numbers of the first records, in order."""
