"""Generates millions of contacts quickly, always the same for the same seed.

A pool of complete lines is prepared once; a contact is a line of it, chosen at random, with its
number inserted. So each contact has another e-mail address, and a million takes about a second.
"""

import csv
import io
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any, Final
from uuid import UUID

from core.ids import JOB_PREFIX, contact_id_prefix, contacts_ahead
from local.contacts import DOMAINS, FIRST_NAMES, LAST_NAMES

SOURCE: Final = "benchmark"
BLOCK: Final = 10_000
"""Contacts that are generated at a time; a multiple of ``BAD_EVERY``."""
BAD_EVERY: Final = 20

_IMPORT_ID: Final = UUID("01939d3a-7c00-7000-8000-000000000000")
_NUMBER: Final = "\N{SNOWMAN}"
"""Where in a prepared line the contact's number goes."""
_LONG: Final = ("山田太郎", "Ελένη Παπαδοπούλου", "Владимир Святославович", "محمد", 'O"Neil, \\Jr.')


class Profile(StrEnum):
    """The shape of the contacts."""

    PLAIN = "plain"
    """A name and an e-mail, about 72 bytes as JSON."""
    WIDE = "wide"
    """Long names, all kinds of characters, nested fields that are ignored, and 5 % bad records."""
    REJECTED = "rejected"
    """As plain ones, but no e-mail is an address: all records are rejected."""


class Kind(StrEnum):
    """The format of a file."""

    JSON = "json"
    """The body of ``POST /import``."""
    CSV = "csv"
    NDJSON = "ndjson"
    COPY = "copy"
    """What ``psql \\copy`` gets: name, email, source; good contacts only, for it checks nothing."""
    COPY_IDS = "copy-ids"
    """The same, with ids such as the importer computes."""


@dataclass(frozen=True)
class Person:
    """A contact with ``_NUMBER`` in place of its number."""

    name: str | None
    email: str | None
    extra: dict[str, Any] = field(default_factory=dict)

    def json(self) -> str:
        """Return the record as JSON."""
        known = {"name": self.name, "email": self.email}
        record = {key: value for key, value in known.items() if value is not None} | self.extra
        return json.dumps(record, ensure_ascii=False)

    def csv(self, *more: str) -> str:
        """Return the record as a CSV row."""
        made = io.StringIO()
        row = [self.name, self.email, *more]
        csv.writer(made, lineterminator="\n").writerow(row)
        return made.getvalue()


@dataclass(frozen=True)
class Pool:
    """The people that contacts are chosen from."""

    good: Sequence[Person]
    bad: Sequence[Person] = ()


def body(kind: Kind, profile: Profile, rows: int, seed: int) -> Iterator[str]:
    """Yield a file of ``count`` contacts, in pieces of at most ``BLOCK`` contacts."""
    head, separator, tail = _FRAMES[kind]
    between = _csv_header(profile) if kind is Kind.CSV else head
    for piece in filter(None, _blocks(kind, profile, rows, seed)):
        yield between
        yield separator.join(piece)
        between = separator
    yield tail


def _csv_header(profile: Profile) -> str:
    return "name,email,tags,address\n" if profile is Profile.WIDE else "name,email\n"


def contact_prefix(job: str, records: int) -> str:
    """Return what the ids of the contacts of an import of so many records begin with."""
    return contact_id_prefix(UUID(job.removeprefix(JOB_PREFIX)), contacts_ahead(records))


def bad_records(profile: Profile, rows: int, seed: int) -> int:
    """Return how many of ``count`` contacts must be rejected."""
    pool = _pool(profile)
    drawn = (number for block in _drawn(pool, rows, seed) for number in block)
    return sum(number >= len(pool.good) for number in drawn) if pool.bad else 0


def _blocks(kind: Kind, profile: Profile, rows: int, seed: int) -> Iterator[list[str]]:
    pool = _pool(profile)
    lines = _lines(kind, profile)
    good = len(pool.good) if kind in {Kind.COPY, Kind.COPY_IDS} else len(lines)
    prefix = contact_id_prefix(_IMPORT_ID)
    number = 1
    for drawn in _drawn(pool, rows, seed):
        numbered = enumerate((lines[at] if at < good else None for at in drawn), number)
        number += len(drawn)
        if kind is Kind.COPY_IDS:
            yield [f"{prefix}{n:09x},{line[0]}{n}{line[1]}" for n, line in numbered if line]
        else:
            yield [f"{line[0]}{n}{line[1]}" for n, line in numbered if line]


def _drawn(pool: Pool, rows: int, seed: int) -> Iterator[list[int]]:
    """Yield positions in the pool, which begins with the valid people, block by block."""
    for start in range(0, rows, BLOCK):
        chance = random.Random(f"{seed} {start}")
        drawn = chance.choices(range(len(pool.good) or len(pool.bad)), k=BLOCK)
        for at in range(0, BLOCK if pool.good and pool.bad else 0, BAD_EVERY):
            bad = len(pool.good) + chance.randrange(len(pool.bad))
            drawn[at + chance.randrange(BAD_EVERY)] = bad
        yield drawn[: rows - start]


@cache
def _lines(kind: Kind, profile: Profile) -> list[tuple[str, str]]:
    """Return the pool as lines, cut in two where the number belongs."""
    pool = _pool(profile)
    return [_halves(_line(kind, person)) for person in (*pool.good, *pool.bad)]


def _line(kind: Kind, person: Person) -> str:
    if kind in {Kind.JSON, Kind.NDJSON}:
        return person.json()
    more = [json.dumps(value, ensure_ascii=False) for value in person.extra.values()]
    return person.csv(*([SOURCE] if kind in {Kind.COPY, Kind.COPY_IDS} else more)).removesuffix(
        "\n"
    )


def _halves(line: str) -> tuple[str, str]:
    before, _, after = line.partition(_NUMBER)
    return before, after


@cache
def _pool(profile: Profile) -> Pool:
    people = _people()
    if profile is Profile.PLAIN:
        return Pool([Person(name, email) for name, email in people])
    if profile is Profile.REJECTED:
        return Pool([], [Person(name, email.replace("@", ".")) for name, email in people])
    return Pool([_wide(name, email) for name, email in people], _bad())


def _people() -> list[tuple[str, str]]:
    plain = str.maketrans("éíøü", "eiou")
    return [
        (f"{first} {last}", f"{first}.{last}{_NUMBER}@{domain}".translate(plain).lower())
        for first in FIRST_NAMES
        for last in LAST_NAMES
        for domain in DOMAINS
    ]


def _wide(name: str, email: str) -> Person:
    chance = random.Random(email)
    long = " ".join([name, *chance.choices(_LONG, k=chance.randint(1, 12))])
    tags = [{"tag": chance.choice(LAST_NAMES), "score": chance.random()} for _ in range(3)]
    address = {"city": chance.choice(_LONG), "lines": [f"{chance.randint(1, 999)} {name} Street"]}
    return Person(long, email, {"tags": tags, "address": address})


def _bad() -> list[Person]:
    extra: dict[str, Any] = {"tags": [], "address": {"city": "nowhere"}}
    return [
        Person("No At", f"no-at{_NUMBER}.example.com", extra),
        Person("Two Ats", f"two{_NUMBER}@@example.com", extra),
        Person(None, None, extra | {"address": f"nobody lives at {_NUMBER}"}),
        Person(f"{'Long' * 260} {_NUMBER}", "long@example.com", extra),
    ]


_FRAMES: Final = {
    Kind.JSON: (f'{{"source": "{SOURCE}", "data": [\n', ",\n", "\n]}\n"),
    Kind.CSV: ("", "\n", "\n"),
    Kind.NDJSON: ("", "\n", "\n"),
    Kind.COPY: ("name,email,source\n", "\n", "\n"),
    Kind.COPY_IDS: ("id,name,email,source\n", "\n", "\n"),
}
