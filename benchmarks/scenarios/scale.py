"""One and two groups of workers ("machines") on one file, and how they share its parts."""

from dataclasses import dataclass, replace

from benchmarks.contacts import Kind
from benchmarks.importer import Importer, await_true
from benchmarks.lab import Lab
from benchmarks.measure import Column, Result, Run, measure
from benchmarks.ours import RATE, SECONDS, Ours

PARTS = "parts"
SETUPS = ((1, 1), (2, 1), (1, 2), (2, 2))
"""Numbers of machines, and of worker processes on each."""


def run(lab: Lab) -> list[Result]:
    """Run each number of machines in turn, with each writer."""
    with lab.importer() as importer:
        return [_of(lab, importer, writer) for writer in lab.writers]


def _of(lab: Lab, importer: Importer, writer: str) -> Result:
    contenders = [
        Machines(Ours(importer, lab.data(), Kind.JSON, writer, machines, processes))
        for machines, processes in SETUPS
    ]
    runs = measure(contenders, lab.options.rounds, RATE, lab.say)
    shares = [
        Column(f"{PARTS} {number}", f"parts by machine {number}", ",.0f") for number in (1, 2)
    ]
    columns = (Column(RATE, "rows/s", ",.0f"), Column(SECONDS, "seconds"), *shares)
    title = f"Machines: {lab.options.rows:,} contacts, {writer}"
    notes = ["All on this one machine: where its cores are full, more processes cannot help."]
    return Result("scale", title, columns, runs, [contenders[0].name], notes)


@dataclass(frozen=True)
class Machines:
    """The importer with several groups of workers."""

    ours: Ours

    @property
    def name(self) -> str:
        """Its name in the tables."""
        machines, processes = self.ours.machines, self.ours.processes
        each = "process" if processes == 1 else "processes"
        return f"{machines} machine{'s' * (machines > 1)} of {processes} {each}"

    def run(self) -> Run:
        """Import the file once, and count the parts that each machine did."""
        run = self.ours.run()
        done = self._parts_done(run.job)
        parts = {f"{PARTS} {number}": float(count) for number, count in enumerate(done, 1)}
        return replace(run, contender=self.name, figures={**run.figures, **parts})

    def _parts_done(self, job: str) -> list[int]:
        """Return the parts done by each machine, when all logs are complete."""
        importer = self.ours.importer
        ((parts,),) = importer.server.ask("SELECT count(*) FROM import_parts")
        done: list[int] = []

        def all_told() -> bool:
            done[:] = [each.parts_done(job) for each in importer.workers]
            return sum(done) >= int(parts)

        await_true(all_told, "All parts are in the logs")
        return done
