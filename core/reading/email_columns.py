"""Which columns hold the address of the contact, and not that of somebody else in the record."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from core.errors import MalformedInputError
from core.reading.columns import Column, certainty_of, describe, names_of
from core.reading.matching import Strength
from core.reading.people import Person
from core.reading.plan import Certainty, Field


@dataclass(frozen=True, slots=True)
class EmailChoice:
    """The columns of addresses of one person, the preferred one first."""

    columns: Sequence[Column] = ()
    certainty: Certainty = Certainty.SURE


def choose_emails(columns: Sequence[Column], names: Sequence[Column]) -> EmailChoice:
    """Return the columns of the contact's addresses.

    ``names`` are the columns of names: an address of somebody whose name is there is preferred.
    Raises MalformedInputError (``email_column_unclear``) if there are columns of addresses, and it
    is not clear that one of them is the contact's.
    """
    numbered = are_numbered(names)
    hinted = {column.match.unknown for column in columns if column.match.hint is not None}
    people = {_key(column.person, numbered=numbered) for column in names}
    have_roles = any(column.person.role or column.person.object for column in names)

    def preference(column: Column) -> tuple[int, ...]:
        """The address of somebody whose name is there comes first."""
        person = column.person if have_roles else replace(column.person, role="", object=())
        is_named = (
            _key(person, numbered=numbered) in people
            if people
            else not hinted or column.match.unknown in hinted
        )
        return (not is_named, *column.match.rank, len(column.parent))

    by_name = sorted(
        (column for column in columns if column.match.field is Field.EMAIL), key=preference
    )
    fitting = [column for column in by_name if _fits(column)]
    if any(column.filled for column in fitting):
        chosen = _of_one_person(fitting, names, hinted, numbered=numbered)
        return EmailChoice(chosen, certainty_of(chosen[0].match))

    # None of them has an address: is another column meant?
    others = [column for column in columns if column.is_addresses]
    guessable = [column for column in others if not column.match.is_other]
    if len(guessable) == 1 and not fitting:
        return EmailChoice(guessable, Certainty.GUESSED)
    if guessable or (others and not by_name):
        raise _unclear(columns, others)
    chosen = _of_one_person(fitting or by_name[:1], names, hinted, numbered=numbered)
    return EmailChoice(chosen, certainty_of(chosen[0].match)) if chosen else EmailChoice()


def are_numbered(names: Sequence[Column]) -> bool:
    """Return whether names have different numbers, so that a number is that of a person."""
    return len({column.person.number or 1 for column in names}) > 1


def _fits(column: Column) -> bool:
    """Return whether the values of a column do not contradict its name."""
    if column.match.strength is Strength.LOOSE:
        return column.is_addresses
    return not column.filled or column.has_addresses


def _key(person: Person, *, numbered: bool) -> tuple[object, ...]:
    return (person.role, person.object, (person.number or 1) if numbered else 0)


def _of_one_person(
    columns: Sequence[Column],
    names: Sequence[Column],
    hinted: AbstractSet[frozenset[str]],
    *,
    numbered: bool,
) -> list[Column]:
    """Return the first column, and those that belong to the same person."""
    if not columns:
        return []
    first = columns[0]
    people = {(name.person.role, name.person.object) for name in names}
    are_several = ("", ()) in people and len(people) > 1
    have_roles = any(name.match.person.role for name in names)
    return [
        each
        for each in columns
        if each is first
        or (
            not each.person.is_other_than(first.person, numbered=numbered)
            and (each.person.distance(first.person) == 0 or not are_several)
            and (not each.person.role or each.person.role == first.person.role)
            and (each.match.person.role == first.match.person.role or not have_roles)
            and (not first.match.unknown or each.match.unknown == first.match.unknown)
            and (each.match.unknown == first.match.unknown or each.match.unknown not in hinted)
        )
    ]


def _unclear(columns: Sequence[Column], others: Sequence[Column]) -> MalformedInputError:
    listed = ", ".join(f'"{name}"' for name in names_of(others[:5]))
    example = others[0].map or others[0].name
    return MalformedInputError(
        "email_column_unclear",
        f"Addresses are in {listed}, but no name says that they are the contacts' own. Say which "
        f"column holds the e-mail, such as ?map={example}:email, or import without: ?email=none.",
        columns=describe(columns),
    )
