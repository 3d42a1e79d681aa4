"""Columns of names whose header is not known, found by their values.

The addresses of the same rows are the evidence: ``Ada King`` beside ``ada.king@example.com``. What
merely looks like a name may be a city or a company: it is never taken without a hint in its header.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from core.reading.columns import Column
from core.reading.header_text import words_of
from core.reading.name_values import (
    are_of_companies,
    is_like_cjk_name,
    is_like_full_name,
    is_like_half,
    is_no_name,
    name_words,
)
from core.reading.plan import Field

_MAX_ROWS: Final = 40
_MAX_COLUMNS: Final = 40
"""So many rows and columns are looked at."""
_MAX_LOCAL: Final = 64
_EVIDENT: Final = 0.5
"""Share of rows in which a word of the name is in the address."""
_NEARLY_ALL: Final = 0.8
_DISTINCT: Final = 0.9


@dataclass(frozen=True, slots=True)
class Guess:
    """The columns of names that were found, and those that may be some."""

    found: Mapping[Field, Column] = field(default_factory=dict)
    unclear: Sequence[Column] = ()
    """Columns that look like names, if no evidence shows which of them are the contacts'."""
    others: Sequence[Column] = ()
    """Columns that look like names of other people."""


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What the values of one column have to do with the addresses beside them."""

    column: Column
    rows: int
    evident: float
    """Share of rows in which a word of the value is in the address."""
    full: float
    """Share of values that look like full names."""
    halves: float
    """Share of values that look like one name."""
    distinct: float
    cjk: float
    whole: float
    """Share of values that are all of the part before ``@``, as those of branches may be."""
    position: float
    """Where in the addresses the words are, on average: 0 is the beginning."""
    words: Sequence[frozenset[str]]


def guess_names(columns: Sequence[Column], email: Column, known: Column | None = None) -> Guess:
    """Return the columns among these that hold names of the people whose addresses ``email`` has.

    ``known`` is the column of one half of the name: then only the other half is searched.
    """
    unknown = [
        column
        for column in columns
        if column.match.field is None and not column.match.is_other and not column.is_addresses
    ]
    judged = [_judge(column, email) for column in unknown[:_MAX_COLUMNS]]
    candidates = [each for each in judged if each is not None]
    halves = [each for each in candidates if each.full < _EVIDENT and each.halves >= _NEARLY_ALL]
    evident_halves = [each for each in halves if each.evident >= _EVIDENT]
    if known is not None:
        other = Field.LAST_NAME if known.match.field is Field.FIRST_NAME else Field.FIRST_NAME
        half = _judge(known, email)
        new = [each for each in evident_halves if half is None or not _are_same(half, each)]
        return Guess({other: new[0].column} if len(new) == 1 else {})

    full = [each for each in candidates if each.full >= _EVIDENT]
    if evident := [each for each in full if each.evident >= _EVIDENT]:
        return _beside_others(_best_of(evident), full)
    if len(evident_halves) >= 2:
        return _halves_of(evident_halves)
    guess = _without_evidence(candidates, full, halves)
    return guess if guess.found or guess.unclear else _guess_among_others(columns, email)


def find_better_names(chosen: Column, columns: Sequence[Column], email: Column) -> Guess:
    """Return the names that are in the addresses if those of a column that is called so are not.

    Such as the contact person beside a company that is called *Name*. If the column that is called
    so does not hold companies, both are unclear: it may hold nicknames. Empty if the names in
    ``chosen`` are in the addresses, or in letters that addresses do not have.
    """
    own = _judge(chosen, email)
    are_companies = are_of_companies(chosen.values)
    limit = _EVIDENT if are_companies else 1 - _NEARLY_ALL  # an initial may be that of a company
    if own is None or own.evident > limit or not _is_in_latin_letters(own):
        return Guess()
    judged = [_judge(each, email) for each in columns[:_MAX_COLUMNS] if not each.is_addresses]
    better = [
        each
        for each in judged
        if each is not None and min(each.full, each.evident, each.distinct) >= _NEARLY_ALL
    ]
    if not better:
        return Guess()
    best = _best_of(better)
    if best.found and are_companies:
        return best
    return Guess(unclear=[chosen, *(each.column for each in better)])


def _is_in_latin_letters(evidence: _Evidence) -> bool:
    """Return whether most names have a word that may be in an address as it is."""
    latin = sum(any(word.isascii() for word in words) for words in evidence.words)
    return latin >= _NEARLY_ALL * len(evidence.words)


def _guess_among_others(columns: Sequence[Column], email: Column) -> Guess:
    """Return a column that is called after somebody else, but whose names are in the addresses.

    Such as a nickname, where a program calls the full name so.
    """
    others = [column for column in columns if column.match.is_other and not column.is_addresses]
    judged = [_judge(column, email) for column in others[:_MAX_COLUMNS]]
    full = [each for each in judged if each is not None and each.full >= _EVIDENT]
    evident = [each for each in full if each.evident >= _EVIDENT]
    return _best_of(evident) if evident else Guess()


def _without_evidence(
    candidates: Sequence[_Evidence], full: Sequence[_Evidence], halves: Sequence[_Evidence]
) -> Guess:
    """Return what remains if no column of full names, and not both halves, are in the addresses."""
    evident_halves = [each for each in halves if each.evident >= _EVIDENT]
    hinted = [each for each in full if each.column.match.hint is Field.NAME]
    if len(hinted) == 1 and hinted[0].full >= _NEARLY_ALL:
        return Guess({Field.NAME: hinted[0].column})
    plausible = [each.column for each in full if _is_plausible(each)]
    plausible += [each.column for each in candidates if each.cjk >= _NEARLY_ALL]
    if evident_halves:
        others = [each.column for each in halves if each.distinct >= _DISTINCT]
        is_sure = len(evident_halves) == 1 and evident_halves[0].whole < _EVIDENT
        if len(others) == 1 and not plausible and is_sure:
            return Guess({Field.NAME: evident_halves[0].column})
        return Guess(unclear=_distinct([*others, *plausible]))
    return Guess(unclear=_distinct(plausible))


def _judge(column: Column, email: Column) -> _Evidence | None:
    """Return the evidence of a column, None if it holds no names of people."""
    pairs = [
        (value.strip(), address.strip())
        for value, address in zip(column.values, email.values, strict=False)
        if value.strip() and "@" in address
    ][:_MAX_ROWS]
    rows = len(pairs)
    if not rows or sum(is_no_name(value) for value, _ in pairs) > (1 - _NEARLY_ALL) * rows:
        return None
    words = [name_words(value) for value, _ in pairs]
    positions = [
        position
        for spellings, (value, address) in zip(words, pairs, strict=True)
        if (position := _position(spellings, value, address)) is not None
    ]
    distinct = len({value.casefold() for value, _ in pairs})
    return _Evidence(
        column,
        rows,
        len(positions) / rows,
        sum(is_like_full_name(value) for value, _ in pairs) / rows,
        sum(is_like_half(value) for value, _ in pairs) / rows,
        distinct / rows,
        sum(is_like_cjk_name(value) for value, _ in pairs) / rows * (distinct / rows >= _DISTINCT),
        sum(
            _is_whole(spellings, address)
            for spellings, (_, address) in zip(words, pairs, strict=True)
        )
        / rows,
        sum(positions) / len(positions) if positions else 0,
        [frozenset().union(*spellings) for spellings in words],
    )


def _position(spellings: Sequence[set[str]], value: str, address: str) -> float | None:
    """Return where in the part before ``@`` the first word of a value is, as a share of its length.

    None if no word is in it, or if the value is that part itself: then it is a login.
    """
    local = address.partition("@")[0][-_MAX_LOCAL:]
    if value.casefold() == local.casefold() and value[:1].islower():
        return None
    divided = [word for word in words_of(local) if not word.isdecimal()]
    joined = "".join(divided)
    for word in spellings:
        for spelling in sorted(word):
            if spelling in divided and len(spelling) > 1:
                return divided.index(spelling) / len(divided)
            if len(spelling) > 2 and len(divided) == 1 and spelling in joined:
                return joined.index(spelling) / len(joined)
    if len(divided) > 1:  # an initial, as in a.king
        initials = {spelling[:1] for word in spellings[:1] for spelling in word}
        for at, token in enumerate(divided):
            if len(token) == 1 and token in initials:
                return at / len(divided)
    return None


def _is_whole(spellings: Sequence[set[str]], address: str) -> bool:
    local = "".join(words_of(address.partition("@")[0][-_MAX_LOCAL:]))
    return len(spellings) == 1 and local in spellings[0]


def _is_plausible(evidence: _Evidence) -> bool:
    return evidence.full >= _NEARLY_ALL and evidence.distinct >= _DISTINCT


def _best_of(full: Sequence[_Evidence]) -> Guess:
    """Return the one column of full names that fits the addresses best, if there is one."""
    best = max(full, key=lambda each: each.evident)
    rivals = [each for each in full if each is not best and each.evident > best.evident - 0.3]
    if all(_are_same(best, each) for each in rivals):
        first = next(each for each in full if each is best or each in rivals)
        return Guess({Field.NAME: first.column})
    return Guess(unclear=[each.column for each in full])


def _beside_others(guess: Guess, full: Sequence[_Evidence]) -> Guess:
    """Return a guess with the other columns of full names: they are of other people.

    If the names that were found are in some of the addresses only, it is unclear whose they are.
    """
    found = next((each for each in full if each.column is guess.found.get(Field.NAME)), None)
    if found is None:
        return guess
    others = [each for each in full if _is_plausible(each) and not _are_same(found, each)]
    columns = [each.column for each in others if each is not found]
    if columns and found.evident < _NEARLY_ALL:
        return Guess(unclear=[found.column, *columns])
    return Guess(guess.found, others=columns)


def _are_same(one: _Evidence, other: _Evidence) -> bool:
    pairs = list(zip(one.words, other.words, strict=False))
    return sum(a <= b or b <= a for a, b in pairs) >= _NEARLY_ALL * len(pairs)


def _halves_of(halves: Sequence[_Evidence]) -> Guess:
    """Return two columns as first and last name, in the order that the addresses have them."""
    columns = [each.column for each in halves]
    first, last = sorted(halves, key=lambda each: each.position)[:2]
    if len(halves) > 2 or first.position == last.position or _are_same(first, last):
        return Guess(unclear=columns)
    return Guess({Field.FIRST_NAME: first.column, Field.LAST_NAME: last.column})


def _distinct(columns: Sequence[Column]) -> list[Column]:
    return list({column.place: column for column in columns}.values())
