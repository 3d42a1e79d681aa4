"""Columns of a CSV file, or keys of JSON records: their names, and what their first values are."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from core.reading.header_text import words_of
from core.reading.matching import HeaderMatch, Strength
from core.reading.people import Person, role_of
from core.reading.plan import Certainty, Place
from core.reading.rows import is_no_address

MAX_SAMPLE_ROWS: Final = 200
"""Records whose values are looked at."""
MAX_LISTED_COLUMNS: Final = 50
"""Columns that an error lists."""

_MOSTLY: Final = 0.5
"""Share of addresses in the filled cells of a column that is named so."""
_NEARLY_ALL: Final = 0.8
"""The same for a column that is not named so."""
_PART: Final = r"[^\s@<>()\[\],;:\"|/\\]+"
_ADDRESS: Final = re.compile(rf"{_PART.removesuffix('+')}@{_PART}\.[^\s@<>()\[\],;:\"|/\\.]")
_ONLY_ADDRESS: Final = re.compile(
    rf"['\"<\u201c\s]*(?:mailto:)?{_PART}@(?:[^\s@<>()\[\],;:\"|/\\.]+\.)+{_PART}"
)
_MAX_CELL: Final = 400
"""Characters of a cell that are looked at."""
_X500: Final = "/o="
_SAMPLES: Final = 3
_SAMPLE_LENGTH: Final = 80


@dataclass(frozen=True, slots=True)
class Column:
    """One column, or one key, with its first values."""

    place: Place
    name: str
    map: str
    """What names it in the option ``map``."""
    match: HeaderMatch
    values: Sequence[str]
    """Of the first records, empty where a record has none."""
    object: tuple[str, ...] = ()
    """Path of the JSON object that it is in, if such an object is a person."""

    @property
    def person(self) -> Person:
        """Whose it is."""
        person = self.match.person
        if not self.object:
            return person
        role = role_of(word for key in self.object for word in words_of(key))
        return replace(person, role=person.role or role, object=self.object)

    @property
    def parent(self) -> tuple[str, ...]:
        """Path of the JSON object that it is in; empty for the record itself and in CSV."""
        return self.place[:-1] if isinstance(self.place, tuple) else ()

    @property
    def filled(self) -> list[str]:
        """Return the values that stand for something."""
        return [
            value
            for value in self.values
            if value.strip() and not is_no_address(value) and not value.startswith(_X500)
        ]

    @property
    def has_addresses(self) -> bool:
        """Whether most of its values are meant to be addresses, valid or not."""
        filled = self.filled
        return sum("@" in value for value in filled) >= _MOSTLY * len(filled)

    @property
    def is_addresses(self) -> bool:
        """Whether nearly all of its values are an address, and nothing else."""
        filled = self.filled
        return bool(filled) and sum(map(is_address, filled)) >= _NEARLY_ALL * len(filled)


def has_address(text: str) -> bool:
    """Return whether a cell has an e-mail address in it."""
    return "@" in text and _ADDRESS.search(text[:_MAX_CELL]) is not None


def is_address(text: str) -> bool:
    """Return whether a cell is an e-mail address and nothing else but marks around it."""
    return "@" in text and _ONLY_ADDRESS.fullmatch(text.strip(" \t\r\n'\">.,;\u201d")) is not None


def certainty_of(match: HeaderMatch) -> Certainty:
    """Return how sure it is that a column holds what its name says."""
    return Certainty.SURE if match.strength is Strength.EXACT else Certainty.LIKELY


def names_of(columns: Iterable[Column]) -> tuple[str, ...]:
    """Return the names of columns as a warning lists them."""
    return tuple((column.name or column.map)[:_SAMPLE_LENGTH] for column in columns)


def describe(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Return columns as an error lists them: what a client needs to choose among them."""
    return [
        {
            "name": column.name[:_SAMPLE_LENGTH],
            "map": column.map[:_SAMPLE_LENGTH],
            "samples": [value[:_SAMPLE_LENGTH] for value in column.values if value.strip()][
                :_SAMPLES
            ],
            "field": column.match.field,
            "certainty": certainty_of(column.match) if column.match.field else None,
        }
        for column in columns[:MAX_LISTED_COLUMNS]
    ]


def find_named(columns: Sequence[Column], name: str) -> Column | None:
    """Return the column that a client names: exactly, else by its words."""
    for column in columns:
        if name in {column.name, column.map}:
            return column
    words = words_of(name)
    return next((column for column in columns if words and words_of(column.name) == words), None)
