"""Which columns or keys hold which field: by their names, checked against their values.

The same rules serve the columns of CSV files and the keys of JSON records.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.errors import MalformedInputError
from core.reading.header_text import words_of
from core.reading.matching import HeaderMatch, Strength
from core.reading.plan import Certainty, Field, FieldPlaces, Place, PlanWarning
from core.reading.rows import is_no_address
from core.reading.warnings import ADDRESSES_UNUSED, COLUMN_GUESSED

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
_NAMES: Final = (Field.NAME, Field.FIRST_NAME, Field.LAST_NAME)


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


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the columns hold."""

    places: FieldPlaces
    certainty: dict[Field, Certainty]
    family_name_first: bool
    warnings: tuple[PlanWarning, ...]


def has_address(text: str) -> bool:
    """Return whether a cell has an e-mail address in it."""
    return "@" in text and _ADDRESS.search(text[:_MAX_CELL]) is not None


def is_address(text: str) -> bool:
    """Return whether a cell is an e-mail address and nothing else but marks around it."""
    return "@" in text and _ONLY_ADDRESS.fullmatch(text.strip(" \t\r\n'\">.,;\u201d")) is not None


def assign(
    columns: Sequence[Column],
    named: Sequence[tuple[Column, Field]] = (),
    *,
    no_email: bool = False,
) -> Assignment:
    """Return which of the columns hold which field; those that the client has named do.

    Raises MalformedInputError (``email_column_unclear``) if there are columns of addresses, and it
    is not clear that one of them is the contact's.
    """
    fixed = {column.place for column, _ in named}
    fields = {field for _, field in named}
    free = [column for column in columns if column.place not in fixed]
    found: dict[Field, list[Column]] = {field: [] for field in Field}
    certainty = dict.fromkeys(fields, Certainty.NAMED)
    for column, field in named:
        found[field].append(column)
    warnings: list[PlanWarning] = []

    if Field.EMAIL not in fields and not no_email:
        emails, sure = _email_columns(free)
        if emails:
            found[Field.EMAIL], certainty[Field.EMAIL] = emails, sure
            if sure is Certainty.GUESSED:
                warnings.append(PlanWarning(COLUMN_GUESSED, len(emails), _names(emails)))
    used = {column.place for column in found[Field.EMAIL]}
    free = [column for column in free if column.place not in used]
    if not fields & set(_NAMES):
        emails = found[Field.EMAIL]
        roles = emails[0].match.roles if emails else frozenset()
        for field, candidates in _name_columns(free, roles).items():
            found[field] = candidates
            certainty[field] = _certainty(candidates[0].match)

    used |= {column.place for field in _NAMES for column in found[field]}
    unused = [column for column in columns if column.place not in used and column.is_addresses]
    if unused and not no_email:
        warnings.append(PlanWarning(ADDRESSES_UNUSED, len(unused), _names(unused)))
    last = found[Field.LAST_NAME]
    return Assignment(
        FieldPlaces(**{f.value: tuple(column.place for column in found[f]) for f in Field}),
        certainty,
        bool(last) and last[0].match.family_name_first,
        tuple(warnings),
    )


def _email_columns(columns: Sequence[Column]) -> tuple[list[Column], Certainty]:
    """Return the columns of addresses, the preferred one first, and how sure that is."""
    by_name = sorted(
        (column for column in columns if column.match.field is Field.EMAIL),
        key=lambda column: column.match.rank,
    )
    fitting = [
        column
        for column in by_name
        if (
            column.is_addresses
            if column.match.strength is Strength.LOOSE
            else not column.filled or column.has_addresses
        )
    ]
    if any(column.filled for column in fitting):
        return _of_one_person(fitting), _certainty(fitting[0].match)

    # None of them has an address: is another column meant?
    others = [column for column in columns if column.is_addresses]
    guessable = [column for column in others if not column.match.is_other]
    if len(guessable) == 1 and not fitting:
        return guessable, Certainty.GUESSED
    if guessable or (others and not by_name):
        raise _unclear(columns, others)
    chosen = _of_one_person(fitting) or by_name[:1]
    return chosen, _certainty(chosen[0].match) if chosen else Certainty.SURE


def _of_one_person(columns: list[Column]) -> list[Column]:
    """Return the first column, and those that belong to the same person."""
    return [each for each in columns if each.match.roles in {columns[0].match.roles, frozenset()}]


def _name_columns(columns: Sequence[Column], roles: frozenset[str]) -> dict[Field, list[Column]]:
    """Return the columns of names by field, without fields that have none.

    ``roles`` are those of the e-mail: names of the same person are preferred.
    """
    usable = [column for column in columns if column.match.field in _NAMES]
    usable = [column for column in usable if not column.is_addresses]
    found = {
        field: _best([column for column in usable if column.match.field is field], roles)
        for field in _NAMES
    }
    full, first, last = (found[field] for field in _NAMES)
    if full and full[0].match.is_ambiguous:
        if first and not last and not _holds(full[0], first[0]):
            found[Field.LAST_NAME], found[Field.NAME] = full, []
        elif last and not first and not _holds(full[0], last[0]):
            found[Field.FIRST_NAME], found[Field.NAME] = full, []
    if (first or last) and full and full[0].match.strength is Strength.WEAK:
        found[Field.NAME] = []
    return {field: candidates for field, candidates in found.items() if candidates}


def _best(candidates: list[Column], roles: frozenset[str]) -> list[Column]:
    """Return the preferred column, and those with the same name."""
    if not candidates:
        return []
    best = min(candidates, key=lambda each: (each.match.roles != roles, each.match.rank))
    others = [
        each
        for each in candidates
        if each is not best
        and each.match.order == best.match.order
        and each.match.roles in {best.match.roles, frozenset()}
    ]
    return [best, *others]


def _holds(full: Column, part: Column) -> bool:
    """Return whether the values of a column contain those of a half of the name."""
    pairs = [
        (whole.casefold(), half.strip().casefold())
        for whole, half in zip(full.values, part.values, strict=False)
        if whole.strip() and half.strip()
    ]
    return bool(pairs) and sum(half in whole for whole, half in pairs) > _MOSTLY * len(pairs)


def _certainty(match: HeaderMatch) -> Certainty:
    return Certainty.SURE if match.strength is Strength.EXACT else Certainty.LIKELY


def _names(columns: Iterable[Column]) -> tuple[str, ...]:
    return tuple((column.name or column.map)[:_SAMPLE_LENGTH] for column in columns)


def _unclear(columns: Sequence[Column], others: Sequence[Column]) -> MalformedInputError:
    listed = ", ".join(f'"{name}"' for name in _names(others[:5]))
    example = others[0].map or others[0].name
    return MalformedInputError(
        "email_column_unclear",
        f"Addresses are in {listed}, but no name says that they are the contacts' own. Say which "
        f"column holds the e-mail, such as ?map={example}:email, or import without: ?email=none.",
        columns=describe(columns),
    )


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
            "certainty": _certainty(column.match) if column.match.field else None,
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
