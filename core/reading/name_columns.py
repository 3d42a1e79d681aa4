"""Which columns hold the name of the contact, and not that of somebody else in the record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from core.reading.columns import Column
from core.reading.email_columns import are_numbered
from core.reading.header_text import words_of
from core.reading.matching import Strength
from core.reading.name_values import are_categories, are_no_names, is_like_full_name
from core.reading.people import ordinals
from core.reading.plan import Field

NAMES: Final = (Field.NAME, Field.FIRST_NAME, Field.LAST_NAME)
_MOSTLY: Final = 0.5
_AFTER: Final = {"shipping": "buyer"}
"""Of two people beside an address that may be of either, the first is not the contact if the
second is there."""


@dataclass(frozen=True, slots=True)
class NameChoice:
    """The columns of the name of one person."""

    found: Mapping[Field, Sequence[Column]] = field(default_factory=dict)
    """Without fields that have no column."""
    others: Sequence[Column] = ()
    """Columns of names of other people in the same record."""
    is_unclear: bool = False
    """Whether ``others`` may be the contact as well."""


def named_columns(columns: Sequence[Column]) -> list[Column]:
    """Return the columns that hold names by their headers, unless their values are none.

    A header such as *customer* may as well be that of a flag, a number or a level.
    """
    usable = [
        column
        for column in columns
        if column.match.field in NAMES
        and not column.is_addresses
        and not (column.match.strength is Strength.WEAK and _is_something_else(column))
    ]
    strong = [column for column in usable if column.match.strength is not Strength.WEAK]
    fitting = [column for column in strong if _holds_names(column)]
    weak = [column for column in usable if column.match.strength is Strength.WEAK]
    if fitting:  # an empty one may be filled further down
        return [column for column in strong if not are_no_names(column.values)]
    return (weak if any(map(_is_filled, weak)) else []) or strong or weak


def choose_names(columns: Sequence[Column], email: Column | None) -> NameChoice:
    """Return which of the columns hold the name of the person whose address ``email`` has."""
    names = named_columns(columns)
    if email is not None and email.match.unknown:
        names += _with_same_words(columns, email)
    if not names:
        return NameChoice()
    numbered = are_numbered(names)
    if email is None:
        preferred = min(names, key=lambda each: each.match.rank)
        person = replace(preferred.person, number=min(each.person.number or 1 for each in names))
    else:
        person = email.person
    own = [each for each in names if not each.person.is_other_than(person, numbered=numbered)]
    nearest = min((each.person.distance(person) for each in own), default=0)
    own = [each for each in own if each.person.distance(person) == nearest]
    own = _without_later_roles(own)
    if not own or _are_of_several(own) or (email is not None and _are_later_ones(own, email)):
        return NameChoice(others=names, is_unclear=True)
    persons = {each.person for each in own}
    others = [each for each in names if each.person not in persons and _holds_names(each)]
    parent = email.parent if email is not None else ()
    return NameChoice(_by_field(own, parent), others)


def bare_ordinals(columns: Sequence[Column]) -> list[Column]:
    """Return columns called *First* and *Second* that hold whole names: they are of two people.

    Empty if there are fewer than two such columns; *First* alone is a first name.
    """
    found = {
        ordinals()[words[0]]: column
        for column in columns
        if len(words := words_of(column.name)) == 1
        and words[0] in ordinals()
        and _are_full_names(column)
    }
    return list(found.values()) if len(found) > 1 else []


def _are_full_names(column: Column) -> bool:
    filled = [value for value in column.values if value.strip()]
    return bool(filled) and sum(map(is_like_full_name, filled)) > _MOSTLY * len(filled)


def _is_filled(column: Column) -> bool:
    return any(map(str.strip, column.values))


def _is_something_else(column: Column) -> bool:
    return are_no_names(column.values) or are_categories(column.values)


def _with_same_words(columns: Sequence[Column], email: Column) -> list[Column]:
    """Return columns whose names have the same unknown words as that of the address."""
    return [
        replace(
            column,
            match=replace(
                column.match, field=column.match.hint, hint=None, strength=Strength.QUALIFIED
            ),
        )
        for column in columns
        if column.match.hint in NAMES
        and column.match.unknown == email.match.unknown
        and not are_no_names(column.values)
    ]


def _without_later_roles(columns: list[Column]) -> list[Column]:
    roles = {column.person.role for column in columns}
    return [each for each in columns if _AFTER.get(each.person.role) not in roles]


def _are_later_ones(columns: Sequence[Column], email: Column) -> bool:
    """Return whether columns are of a second or further person, and the address may not be."""
    return email.person.number < 2 and all(
        column.match.strength is Strength.WEAK and column.person.number > 1 for column in columns
    )


def _are_of_several(columns: Sequence[Column]) -> bool:
    """Return whether columns are of people with different roles, or in different objects."""
    persons = [column.person for column in columns]
    return any(each.is_other_than(persons[0], numbered=False) for each in persons)


def _holds_names(column: Column) -> bool:
    return _is_filled(column) and not are_no_names(column.values)


def _by_field(columns: Sequence[Column], parent: tuple[str, ...]) -> dict[Field, list[Column]]:
    """Return the columns of one person by field: a full name, or else its halves.

    ``parent`` is the object of the address: what is in the same one is preferred.
    """
    found = {
        each: _best([column for column in columns if column.match.field is each], parent)
        for each in NAMES
    }
    full, first, last = (found[each] for each in NAMES)
    if full and full[0].match.is_ambiguous:
        if first and not last and not _holds(full[0], first[0]):
            found[Field.LAST_NAME], found[Field.NAME] = full, []
        elif last and not first and not _holds(full[0], last[0]):
            found[Field.FIRST_NAME], found[Field.NAME] = full, []
    full = found[Field.NAME]
    if full and (first or last) and _is_less_than_halves(full[0], first[:1], last[:1]):
        found[Field.NAME] = []
    return {each: candidates for each, candidates in found.items() if candidates}


def _best(candidates: list[Column], parent: tuple[str, ...]) -> list[Column]:
    """Return the preferred column, and those with the same name in the same object."""
    if not candidates:
        return []
    best = min(
        candidates,
        key=lambda each: (
            are_no_names(each.values),
            each.match.strength is Strength.WEAK,
            each.parent != parent,
            len(each.parent),
            each.match.rank,
        ),
    )
    return [
        best,
        *(
            each
            for each in candidates
            if each is not best
            and each.match.order == best.match.order
            and each.parent == best.parent
        ),
    ]


def _is_less_than_halves(full: Column, first: Sequence[Column], last: Sequence[Column]) -> bool:
    """Return whether first and last name are preferred to what is called a full name.

    They are if that only names a role, or if it does not hold both: it is a nickname, a company or
    a code.
    """
    if full.match.strength is Strength.WEAK or are_no_names(full.values):
        return True
    halves = [*first, *last]
    if len(halves) < 2 or not all(_overlaps(full, half) for half in halves):
        return False
    return not all(_holds(full, half) for half in halves)


def _overlaps(full: Column, half: Column) -> bool:
    pairs = zip(full.values, half.values, strict=False)
    return any(whole.strip() and part.strip() for whole, part in pairs)


def _holds(full: Column, part: Column) -> bool:
    """Return whether the values of a column contain those of a half of the name."""
    pairs = [
        (whole.casefold(), half.strip().casefold())
        for whole, half in zip(full.values, part.values, strict=False)
        if whole.strip() and half.strip()
    ]
    return bool(pairs) and sum(half in whole for whole, half in pairs) > _MOSTLY * len(pairs)
