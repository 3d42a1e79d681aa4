"""Data sets to send, and what must become of them."""

import csv
import io
import json
import random
from dataclasses import dataclass

ENDINGS = {"json": "application/json", "csv": "text/csv"}


@dataclass(frozen=True)
class Data:
    """A data set with a source of its own, which identifies its contacts."""

    source: str
    ending: str
    body: bytes
    contacts: frozenset[tuple[str, str]]
    rejected: dict[int, str]
    """The rejection code of each other record."""

    @property
    def records(self) -> int:
        return len(self.contacts) + len(self.rejected)


def make_data(
    rng: random.Random, *, records: int, pad: int = 700, ending: str = "json", mark: str = "row"
) -> Data:
    """Return a data set, about one in thirty records invalid; ``pad`` only makes records longer."""
    source = f"chaos-{rng.getrandbits(64):016x}"
    contacts: set[tuple[str, str]] = set()
    rejected: dict[int, str] = {}
    rows: list[object] = []
    for number in range(1, records + 1):
        name, email = f"{mark} {number} é", f"n{number}@{source}.example"
        if rng.random() < 1 / 30:
            row, rejected[number] = _bad(rng, ending, name)
        else:
            row = {"name": name, "email": email, "note": "x" * rng.randint(pad // 2, pad)}
            contacts.add((name, email))
        rows.append(row)
    return Data(source, ending, _written(ending, source, rows), frozenset(contacts), rejected)


def _bad(rng: random.Random, ending: str, name: str) -> tuple[object, str]:
    kinds: list[tuple[object, str]] = [
        ({"name": name, "email": "not an address", "note": ""}, "email_invalid"),
        ({"name": " ", "email": "", "note": "x"}, "no_name_and_no_email"),
    ]
    if ending == "json":
        return rng.choice([*kinds, (17, "not_an_object")])
    return rng.choice([*kinds, ([name, "x@example.com", "", "more"], "wrong_field_count")])


def _written(ending: str, source: str, rows: list[object]) -> bytes:
    if ending == "json":
        return json.dumps({"source": source, "data": rows}, ensure_ascii=False).encode()
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["name", "email", "note"])
    writer.writerows(list(row.values()) if isinstance(row, dict) else row for row in rows)
    return out.getvalue().encode()
