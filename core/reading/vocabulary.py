"""The words of vocabulary.tsv: names of columns, of footers and of empty values.

Words are compared as ``words_of`` divides them, and joined, so that ``E-Mail``, ``e mail`` and
``email`` are one word.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from core.reading.header_text import words_of
from core.reading.plan import Field

MAX_WORDS: Final = 8
"""Most words of one entry."""

_LAST: Final = 1000
_FILE: Final = Path(__file__).with_name("vocabulary.tsv")
_CELL_ENDS: Final = re.compile(r"[;,\t|\"\r\n]")
_FIELDS: Final = {
    "name": Field.NAME,
    "first": Field.FIRST_NAME,
    "last": Field.LAST_NAME,
    "email": Field.EMAIL,
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an entry names."""

    field: Field
    order: int
    """Position in the list of its language: the preferred entry has 0. Of one that means something
    else in another language, it is greater than any position."""
    family_name_first: bool
    """Whether it is of a language in which the family name comes first."""
    is_weak: bool = False
    """Whether first and last name are preferred to it."""


@dataclass(frozen=True)
class Vocabulary:
    """All words; those of names of columns are joined, without blanks."""

    names: Mapping[str, tuple[Meaning, ...]]
    """What a column with this name holds; some words mean different fields in different languages,
    such as ``nome``."""
    other: frozenset[str]
    """A column with such a word belongs to somebody or something else."""
    ignored: frozenset[str]
    """A column with such a word beside a known name has the same meaning."""
    footers: frozenset[tuple[str, ...]]
    """First words of rows that are no records."""
    counted: frozenset[tuple[str, ...]]
    """Nouns of rows that only count the others, such as *members* in "400 members"."""
    no_values: frozenset[str]
    """Texts, in lower case, that stand in place of a missing value."""


@cache
def vocabulary() -> Vocabulary:
    """Return the vocabulary, which is read once."""
    names: dict[str, list[Meaning]] = {}
    other: set[str] = set()
    ignored: set[str] = set()
    footers: set[tuple[str, ...]] = set()
    counted: set[tuple[str, ...]] = set()
    no_values: set[str] = set()
    for line in _lines():
        is_family_first = line["order"] == "family"
        for column, field in _FIELDS.items():
            for order, entry in enumerate(_entries(line[column])):
                meanings = names.setdefault(joined(words_of(entry)), [])
                if field not in {meaning.field for meaning in meanings}:
                    is_weak = entry.startswith("~")
                    meanings.append(Meaning(field, order, is_family_first, is_weak))
        other.update(joined(words_of(entry)) for entry in _entries(line["other"]))
        ignored.update(joined(words_of(entry)) for entry in _entries(line["ignored"]))
        footers.update(words_of(entry) for entry in _entries(line["footer"]))
        counted.update(words_of(entry) for entry in _entries(line["counted"]))
        no_values.update(entry.casefold() for entry in _entries(line["none"]))
    return Vocabulary(
        {
            name: tuple(replace(each, order=_LAST) if name in other else each for each in meanings)
            for name, meanings in names.items()
        },
        frozenset(other),
        frozenset(ignored - other),
        frozenset(footers),
        frozenset(counted),
        frozenset(no_values),
    )


def joined(words: tuple[str, ...]) -> str:
    """Return words as one key of the vocabulary."""
    return "".join(words)


def header_languages(text: str) -> Counter[str]:
    """Return the languages of names of columns with other letters than ASCII.

    The counts are those of cells that are known names in the language; of a name in several
    languages each counts. The delimiter need not be known.
    """
    languages = _languages_of_names()
    cells = (cell.strip() for cell in _CELL_ENDS.split(text))
    foreign = (joined(words_of(cell)) for cell in cells if not cell.isascii())
    return Counter(language for key in foreign for language in languages.get(key, ()))


@cache
def words_by_language() -> dict[str, str]:
    """Return the words of each language, divided by blanks: a sample of how it is spelt.

    Those of ``counted`` are left out: the code pages were measured without them.
    """
    return {
        line["language"]: " ".join(text for column, text in line.items() if column != "counted")
        .replace("|", " ")
        .replace("~", "")
        for line in _lines()
    }


@cache
def _languages_of_names() -> dict[str, frozenset[str]]:
    languages: dict[str, set[str]] = {}
    for line in _lines():
        for column in _FIELDS:
            for entry in _entries(line[column]):
                languages.setdefault(joined(words_of(entry)), set()).add(line["language"])
    return {name: frozenset(each) for name, each in languages.items()}


def _lines() -> Iterator[dict[str, str]]:
    with _FILE.open(encoding="utf-8", newline="") as file:
        text = (line for line in file if not line.startswith("#"))
        yield from csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE)


def _entries(cell: str) -> list[str]:
    return [entry for entry in cell.split("|") if entry]
