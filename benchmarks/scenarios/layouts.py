"""Files in other layouts beside the plain one: halves of names, nested JSON, repaired addresses."""

import csv
import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.client import follow, post_file
from benchmarks.contacts import SOURCE, Kind
from benchmarks.importer import Importer
from benchmarks.lab import Lab
from benchmarks.measure import Column, Result, Run, measure
from benchmarks.ours import RATE, SECONDS

REPAIRED_EVERY: Final = 20
LOOK_EVERY: Final = 0.05
RATIO: Final = "ratio"
COLUMNS: Final = (
    Column(RATE, "rows/s", ",.0f"),
    Column(SECONDS, "seconds"),
    Column(RATIO, "of the plain one's rows/s"),
)

Rows = Iterator[Sequence[str]]


def _plain(rows: Rows) -> Iterator[str]:
    yield "name,email\n"
    for name, email in rows:
        yield f"{name},{email}\n"


def _halves(rows: Rows) -> Iterator[str]:
    yield "First Name,Last Name,E-mail Address\n"
    for name, email in rows:
        first, _, last = name.partition(" ")
        yield f"{first},{last},{email}\n"


def _repaired(rows: Rows) -> Iterator[str]:
    yield "name,email\n"
    for number, (name, email) in enumerate(rows):
        yield f"{name},{'mailto:' if number % REPAIRED_EVERY == 0 else ''}{email}\n"


def _plain_json(rows: Rows) -> Iterator[str]:
    yield f'{{"source": "{SOURCE}", "data": [\n'
    for number, (name, email) in enumerate(rows):
        record = {"name": name, "email": email}
        yield (",\n" if number else "") + json.dumps(record, ensure_ascii=False)
    yield "\n]}\n"


def _nested_json(rows: Rows) -> Iterator[str]:
    yield f'{{"source": "{SOURCE}", "data": [\n'
    for number, (name, email) in enumerate(rows):
        record = {"id": number, "properties": {"name": name, "email": email}}
        yield (",\n" if number else "") + json.dumps(record, ensure_ascii=False)
    yield "\n]}\n"


LAYOUTS: Final[Sequence[tuple[str, Kind, Callable[[Rows], Iterator[str]]]]] = (
    ("CSV, plain", Kind.CSV, _plain),
    ("CSV, first and last name", Kind.CSV, _halves),
    ("CSV, an address in twenty repaired", Kind.CSV, _repaired),
    ("JSON, plain", Kind.JSON, _plain_json),
    ("JSON, name and e-mail one level down", Kind.JSON, _nested_json),
)


def run(lab: Lab) -> list[Result]:
    """Import the same contacts in each layout, in turn, with each writer."""
    plain_file = lab.data().file(Kind.CSV)
    with lab.importer() as importer:
        return [_of(lab, importer, writer, plain_file) for writer in lab.writers]


def _of(lab: Lab, importer: Importer, writer: str, plain_file: Path) -> Result:
    contenders = []
    for name, kind, layout in LAYOUTS:
        path = lab.folder / f"{name}.{kind}"
        with path.open("w", encoding="utf-8", newline="") as file:
            file.writelines(layout(_rows(plain_file)))
        contenders.append(Layout(name, importer, writer, kind, path, lab.options.rows))
    runs = measure(contenders, lab.options.rounds, RATE, lab.say)
    title = f"Layouts: {lab.options.rows:,} contacts, {writer}"
    return Result("layouts", title, COLUMNS, [_compared(run, runs) for run in runs])


def _rows(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        yield from rows


def _compared(run: Run, runs: Sequence[Run]) -> Run:
    """Return the run with its rate as a part of the plain file's median rate of the same kind."""
    kind = run.contender.partition(",")[0]
    plain = [each.figures[RATE] for each in runs if each.contender == f"{kind}, plain"]
    ratio = run.figures[RATE] / statistics.median(plain)
    return replace(run, figures={**run.figures, RATIO: ratio})


@dataclass(frozen=True)
class Layout:
    """The importer with the contacts in one layout."""

    name: str
    importer: Importer
    writer: str
    kind: Kind
    path: Path
    rows: int

    def run(self) -> Run:
        """Import the file once; the rate is that from 202 to ``completed``."""
        self.importer.work(self.writer)
        self.importer.server.erase()
        ahead = self.importer.server.seconds_ahead()
        accepted = post_file(self.importer.url, self.kind, self.path)
        finished = follow(self.importer.url, accepted.job, LOOK_EVERY).finished - ahead
        self.importer.server.expect(self.rows, 0)
        seconds = finished - accepted.at
        return Run(self.name, {RATE: self.rows / seconds, SECONDS: seconds})
