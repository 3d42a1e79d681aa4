"""A run of records as two columns: the fast way, for records that are stored as they are.

A record is a suspect if reading it alone might give anything but the values in the columns: another
value, a rejection, a warning. Suspects are read one by one, so that no record depends on those
around it.
"""

from collections.abc import Sequence
from itertools import compress, count
from typing import Any, NamedTuple

from core.records.plain import unusual_names
from core.records.rejection_reasons import MAX_NAME, Reason


class Columns(NamedTuple):
    """The fields of the records of a run; empty text where there is none."""

    names: list[str]
    emails: list[str]
    suspects: set[int]
    """Positions of the records that have to be read alone. E-mails are not looked at yet."""
    rejected: list[tuple[int, Reason]]
    """Positions of other records that are certainly not contacts, in any order."""
    skipped: list[tuple[int, str]]
    """Positions of other rows that are certainly not records, in any order, with their codes."""


def run_columns(  # noqa: PLR0913 -- the fields of Candidates, for many records
    size: int,
    suspects: set[int],
    *,
    names: Sequence[list[str]],
    first_names: Sequence[list[str]],
    last_names: Sequence[list[str]],
    emails: Sequence[list[str]],
    family_name_first: bool,
) -> tuple[list[str], list[str], list[int]]:
    """Return names and e-mails of ``size`` records, each field of which has any number of columns.

    Also return the positions of records that have neither and are not suspects, and add further
    ``suspects``. Each column of names is checked by itself, since reading a name repairs its halves
    first.
    """
    email = _only_filled(emails, size, suspects)
    full = _first_filled(names, size)
    if names:
        suspects |= unusual_names(full)
    if first_names or last_names:
        halves = [_first_filled(columns, size) for columns in (first_names, last_names)]
        for column in halves:
            suspects |= unusual_names(column)
        if family_name_first:
            halves.reverse()
        joined = _joined(*halves)
        full = [name or both for name, both in zip(full, joined, strict=True)] if names else joined
    if max(map(len, full), default=0) > MAX_NAME:
        suspects.update(at for at, name in enumerate(full) if len(name) > MAX_NAME)
    empty: list[int] = []
    if "" in email and "" in full:
        both = zip(full, email, strict=True)
        empty = [at for at, (name, address) in enumerate(both) if not name and not address]
        if suspects:
            empty = [at for at in empty if at not in suspects]
    return full, email, empty


def _joined(first: list[str], second: list[str]) -> list[str]:
    """Return the halves of names with a blank between them, if there are two."""
    pairs = zip(first, second, strict=True)
    if "" in first or "" in second:
        return [f"{one} {two}" if one and two else one or two for one, two in pairs]
    return [f"{one} {two}" for one, two in pairs]


def _first_filled(columns: Sequence[list[str]], size: int) -> list[str]:
    """Return the first text of each record that is not empty."""
    column = columns[0] if columns else [""] * size
    for other in columns[1:]:
        if "" in column:
            column = [text or others for text, others in zip(column, other, strict=True)]
    return column


def _only_filled(columns: Sequence[list[str]], size: int, suspects: set[int]) -> list[str]:
    """Return the only text of each record that is not empty; those with several are suspects."""
    column = columns[0] if columns else [""] * size
    for other in columns[1:]:
        filled = list(compress(count(), other))
        column = list(column) if filled else column
        suspects.update(at for at in filled if column[at])
        for at in filled:
            column[at] = column[at] or other[at]
    return column


def texts_of(values: Sequence[Any], suspects: set[int]) -> list[str]:
    """Return values with empty text for null and for what is not text, which is suspect."""
    try:
        "".join(values)  # the cheapest way to see that all are text
    except TypeError:
        texts = list(values)
        for at, value in enumerate(texts):
            if not isinstance(value, str):
                texts[at] = ""
                if value is not None:
                    suspects.add(at)
        return texts
    return values if isinstance(values, list) else list(values)
