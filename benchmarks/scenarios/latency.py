"""Milliseconds from POST to `completed` for three contacts."""

import json
from dataclasses import dataclass

from benchmarks.client import follow, post
from benchmarks.contacts import SOURCE, Kind
from benchmarks.figures import percentile
from benchmarks.importer import Importer
from benchmarks.lab import Lab
from benchmarks.measure import Column, Result, Run
from benchmarks.usage import limits

IMPORTS, WARM_UPS = 300, 30
CONTACTS = 3
LOOK_EVERY = 0.01

COLUMNS = tuple(
    Column(f"{what} {share}", f"{title}, {share}, ms", ",.0f")
    for what, title in (("done", "completed"), ("seen", "seen by the client"), ("post", "202"))
    for share in ("median", "p99", "max")
)


@dataclass(frozen=True)
class Timed:
    """Milliseconds since the first byte of the POST."""

    done: float
    """Until the completion, by the database's clock."""
    seen: float
    """Until a client that polls every 10 ms sees the completion."""
    post: float
    """Until 202."""


def run(lab: Lab) -> list[Result]:
    """Run one import after the other, with each writer."""
    with lab.importer() as importer:
        runs = [_run(lab, importer, writer) for writer in lab.writers]
    title = f"{CONTACTS} contacts, POST to completed, {IMPORTS} imports one after the other"
    notes = ["Completed is the database's time of it, by one clock.", *lab.missing]
    return [Result("latency", title, COLUMNS, runs, (), notes)]


def _run(lab: Lab, importer: Importer, writer: str) -> Run:
    importer.work(writer)
    lab.server.erase()
    importer.reset_peaks()
    ahead = lab.server.seconds_ahead()
    for number in range(WARM_UPS):
        _import(importer, number, ahead)
    meter = importer.meter()
    before = meter.read()
    timed = [_import(importer, WARM_UPS + number, ahead) for number in range(IMPORTS)]
    usage = before.until(meter.read())
    lab.server.expect((WARM_UPS + IMPORTS) * CONTACTS, 0)
    figures = _figures(timed)
    lab.say(f"  {writer}: {figures}")
    return Run(f"ours, {writer}", figures, usage, importer.peaks(), limits(usage, meter.cores))


def _import(importer: Importer, number: int, ahead: float) -> Timed:
    body = _body(number)
    accepted = post(importer.url, Kind.JSON, body, len(body))
    completed = follow(importer.url, accepted.job, LOOK_EVERY)
    moments = (completed.finished - ahead, completed.seen, accepted.at)
    return Timed(*((moment - accepted.begun) * 1000 for moment in moments))


def _body(number: int) -> bytes:
    data = [
        {"name": f"Person {each}", "email": f"person{number}.{each}@example.com"}
        for each in range(CONTACTS)
    ]
    return json.dumps({"source": SOURCE, "data": data}).encode()


def _figures(timed: list[Timed]) -> dict[str, float]:
    found: dict[str, float] = {}
    for what in ("done", "seen", "post"):
        values = [getattr(each, what) for each in timed]
        shares = {"median": 0.5, "p99": 0.99, "max": 1.0}
        found |= {f"{what} {name}": percentile(values, share) for name, share in shares.items()}
    return found
