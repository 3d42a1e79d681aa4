"""The reading plan: how the records of one import are read.

It is made once, from the first SAMPLE_BYTES of the file and from what the client specifies. The
preview shows it, the import stores it, the workers apply it to each record. CSV, JSON and NDJSON
have the same kind of plan; only the places of the fields differ.
"""

from enum import StrEnum
from typing import Any, Final, Self, TypeAlias

import msgspec

from core.conversion import Converter
from core.formats.csv_dialect import CsvDialect
from core.formats.formula_escaping import REJECTION_COLUMNS

SAMPLE_BYTES: Final = 64 * 1024
"""Bytes of a file, after decompression, from which its plan is made."""

Place: TypeAlias = int | tuple[str, ...]
"""Where a value is in a record: the position of a column, from 0, or a path of keys."""


class Field(StrEnum):
    """A field of a contact, or half of one."""

    NAME = "name"
    """The full name."""
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    EMAIL = "email"


class Certainty(StrEnum):
    """How sure it is that a column holds what the plan says."""

    NAMED = "named"
    """The client specified it."""
    SURE = "sure"
    """By its name, and its values do not contradict that."""
    LIKELY = "likely"
    """By a name with further words, such as ``Work e-mail (required)``."""
    GUESSED = "guessed"
    """By its values alone."""


class FieldPlaces(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the fields of a contact are: for each field its places, the preferred one first.

    A record's field is the first of them that is filled and valid. Its full name is preferred to
    its first and last name.
    """

    name: tuple[Place, ...] = ()
    first_name: tuple[Place, ...] = ()
    last_name: tuple[Place, ...] = ()
    email: tuple[Place, ...] = ()

    def of(self, field: Field) -> tuple[Place, ...]:
        """Return the places of one field."""
        places: tuple[Place, ...] = getattr(self, field)
        return places

    @property
    def used(self) -> frozenset[Place]:
        """All places that hold a field."""
        return frozenset((*self.name, *self.first_name, *self.last_name, *self.email))


class PlanWarning(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something about the file as a whole that the client should know."""

    code: str
    """One of core.reading.warnings."""
    count: int = 1
    """Of what the code counts, such as rows or columns."""
    names: tuple[str, ...] = ()
    """Names of the columns that it is about."""


class ReadingPlan(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How the records of one import are read."""

    places: FieldPlaces
    csv: CsvDialect | None = None
    """None for JSON and NDJSON."""
    columns: int = 0
    """Number of fields in the header of a CSV file."""
    header: tuple[str, ...] = ()
    """Names of the columns as the client sent them; empty if they are too many or too long."""
    has_header: bool = True
    """Whether a CSV file names its columns; if not, its first row is a record."""
    skipped_rows: int = 0
    """Rows of a CSV file above its header, which are not records."""
    family_name_first: bool = False
    """Whether first and last name are joined with the last name first."""
    certainty: dict[Field, Certainty] = {}
    """For each field that has a place."""
    warnings: tuple[PlanWarning, ...] = ()

    @staticmethod
    def from_json(value: dict[str, Any] | None) -> "ReadingPlan":
        """Read a plan from the database, also one that an earlier version wrote.

        It wrote none for JSON, whose keys were ``name`` and ``email``.
        """
        if value is None:
            return ReadingPlan(places=FieldPlaces(name=(("name",),), email=(("email",),)))
        if "places" not in value:
            return ReadingPlan._from_layout(value)
        return _to_plan(value)

    @classmethod
    def _from_layout(cls, value: dict[str, Any]) -> Self:
        """Read the layout of a CSV file, which had one column for each field."""
        places = {field.value: (value[field],) for field in Field if value.get(field) is not None}
        return cls(
            places=FieldPlaces(**places),
            csv=CsvDialect(delimiter=value.get("delimiter", ",")),
            columns=value["fields"],
            header=tuple(value.get("header", ())),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the plan for the database."""
        plan: dict[str, Any] = msgspec.to_builtins(self)
        return plan

    @property
    def formulas_escaped(self) -> bool:
        """Whether the file is one of rejections, in which we escaped formulas."""
        return self.header[: len(REJECTION_COLUMNS)] == REJECTION_COLUMNS


_to_plan: Final = Converter(ReadingPlan)
