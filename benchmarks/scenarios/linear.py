"""Rows per second for a hundredth, a tenth, one and ten times the number of rows."""

from benchmarks.baselines import Copy
from benchmarks.contacts import Kind
from benchmarks.importer import Importer
from benchmarks.lab import Lab
from benchmarks.measure import Column, Contender, Result, measure
from benchmarks.ours import RATE, SECONDS, Ours

SHARES = (0.01, 0.1, 1, 10)
COLUMNS = (Column(RATE, "rows/s", ",.0f"), Column(SECONDS, "seconds"))


def run(lab: Lab) -> list[Result]:
    """Make a table for each number of rows; the last one also has the ratios."""
    sizes = [max(1, int(lab.options.rows * share)) for share in SHARES]
    with lab.importer() as importer:
        results = [_of(lab, importer, rows) for rows in sizes]
    return [*results[:-1], _with_ratios(results, sizes)]


def _of(lab: Lab, importer: Importer, rows: int) -> Result:
    copy = Copy(importer, lab.data(rows), Kind.COPY, lab.psql)
    contenders: list[Contender] = [*(_ours(lab, importer, rows)), copy]
    lab.say(f"  {rows:,} contacts")
    runs = measure(contenders, lab.options.rounds, RATE, lab.say)
    return Result("linear", f"Linear: {rows:,} contacts", COLUMNS, runs, [copy.name])


def _ours(lab: Lab, importer: Importer, rows: int) -> list[Ours]:
    return [Ours(importer, lab.data(rows), Kind.JSON, writer) for writer in lab.writers]


def _with_ratios(results: list[Result], sizes: list[int]) -> Result:
    usual, largest = results[-2:]
    notes = [
        f"* {name}: rows/s at {sizes[-1]:,} are"
        f" {largest.median(name, RATE) / usual.median(name, RATE):.2f} of those at {sizes[-2]:,}"
        for name in largest.contenders
    ]
    return Result("linear", largest.title, COLUMNS, largest.runs, largest.references, notes)
