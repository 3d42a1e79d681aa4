"""Whose a column is: the role, number or object that tells several people of a record apart.

A record may hold a buyer and an attendee, several numbered guests, or a ``billing`` and a
``shipping`` object. The name of one must never be stored with the address of the other.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from core.reading.header_text import words_of

_FILE: Final = Path(__file__).with_name("people.tsv")
_ORDINALS: Final = {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4}
_NO_ROLES: Final = frozenset({"flag", "particle", "no person", *_ORDINALS})
_ANYBODY: Final = "anybody"
_MAX_NUMBER: Final = 99


@dataclass(frozen=True, slots=True)
class Person:
    """Whose a column is, as far as its name says."""

    role: str = ""
    """One of several words for the same role; empty if it is not named."""
    number: int = 0
    """As in ``Guest 2``; 0 if there is none."""
    object: tuple[str, ...] = ()
    """Path of the JSON object that the value is in, if such an object is a person."""

    def is_other_than(self, person: "Person", *, numbered: bool) -> bool:
        """Return whether the two cannot be the same.

        ``numbered`` is whether there are names with different numbers: then the number of an
        address is that of a person, else it only counts the addresses.
        """
        if self.role and self.role == person.role:
            other_object = False
        else:
            shorter, longer = sorted((self.object, person.object), key=len)
            other_object = longer[: len(shorter)] != shorter
        other_role = bool(self.role and person.role) and self.role != person.role
        other_number = numbered and (self.number or 1) != (person.number or 1)
        return other_role or other_object or other_number

    def distance(self, person: "Person") -> int:
        """Return how little two that may be the same have in common: 0 if all."""
        return int(self.role != person.role or self.object != person.object)


NOBODY: Final = Person()
"""Whose a column is if its name does not say."""


@cache
def words_about_people() -> Mapping[str, Sequence[str]]:
    """Return the words of people.tsv by kind, which are read once."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        text = (line for line in file if not line.startswith("#"))
        rows = csv.DictReader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["kind"]: row["words"].split("|") for row in rows}


@cache
def role_words() -> Mapping[str, str]:
    """Return the role of each word, reduced as the words of headers are; empty if anybody's."""
    return {
        "".join(words_of(word)): "" if kind == _ANYBODY else kind
        for kind, words in words_about_people().items()
        if kind not in _NO_ROLES
        for word in words
    }


@cache
def ordinals() -> Mapping[str, int]:
    """Return the number of each word such as *second*, reduced as the words of headers are."""
    words = words_about_people()
    return {
        "".join(words_of(word)): number
        for kind, number in _ORDINALS.items()
        for word in words[kind]
    }


def role_of(words: Iterable[str]) -> str:
    """Return the role that words name, empty for none."""
    roles = role_words()
    return next((role for word in words if (role := roles.get(word, ""))), "")


def number_of(words: Iterable[str]) -> int:
    """Return the number among words, 0 for none."""
    numbers = (int(word) for word in words if word.isdecimal() and len(word) < 3)
    return next((number for number in numbers if 0 < number <= _MAX_NUMBER), 0)
