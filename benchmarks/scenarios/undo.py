"""Seconds to undo an import among five times as many contacts, and the query plans for that."""

import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.client import follow, post_file, undo
from benchmarks.contacts import Kind, contact_prefix
from benchmarks.errors import BenchmarkError
from benchmarks.importer import Importer
from benchmarks.lab import Lab
from benchmarks.measure import Column, Result, Run, measure
from benchmarks.ours import RATE, SECONDS
from benchmarks.usage import limits

TIMES = 5
"""Other contacts for each contact of the import."""
OTHERS = """
INSERT INTO public.contacts (name, email, source)
SELECT 'Other ' || n, 'other' || n || '@example.com', 'others' FROM generate_series(1, {count}) n
"""
LEFT = """
SELECT count(*) FILTER (WHERE source = 'others'),
       count(*) FILTER (WHERE id BETWEEN public.contact_id('{prefix}', 1)
                                     AND public.contact_id('{prefix}', {records}))
FROM public.contacts
"""
# As undo_some does: the last contact of a step, and all contacts up to that.
STEPS = (
    """
EXPLAIN SELECT id FROM public.contacts
WHERE id BETWEEN public.contact_id('{prefix}', 1) AND public.contact_id('{prefix}', {records})
ORDER BY id OFFSET {step} - 1 LIMIT 1
""",
    """
EXPLAIN DELETE FROM public.contacts
WHERE id BETWEEN public.contact_id('{prefix}', 1) AND public.contact_id('{prefix}', {step})
""",
)
MOST = 20_000
"""Contacts of a step: see tasks/importing/undo_import.py."""
COLUMNS = (Column(SECONDS, "seconds"), Column(RATE, "contacts/s", ",.0f"))


def run(lab: Lab) -> list[Result]:
    """Run each writer; the other contacts have random ids, before and after those of the import."""
    others = TIMES * lab.options.rows
    lab.server.erase()
    lab.server.ask(OTHERS.format(count=others))
    lab.server.ask("ANALYZE public.contacts", dsn=lab.server.admin)
    with lab.importer() as importer:
        undone = Undo(lab, importer, others)
        runs = measure([undone], lab.options.rounds, SECONDS, lab.say)
    lab.server.erase()
    title = f"Undo of {lab.options.rows:,} contacts among {others:,} others"
    notes = ["How they are found:", "", "```", *undone.plan, "```"]
    return [Result("undo", title, COLUMNS, runs, (), notes)]


@dataclass
class Undo:
    """``DELETE /import/{jobId}`` until ``undone``."""

    lab: Lab
    importer: Importer
    others: int
    plan: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name in the tables."""
        return "undo"

    def run(self) -> Run:
        """Import the file, and undo the import."""
        data, server = self.lab.data(), self.importer.server
        self.importer.work(self.lab.writer)
        accepted = post_file(self.importer.url, Kind.JSON, data.file(Kind.JSON))
        follow(self.importer.url, accepted.job, 0.25)
        of = {"prefix": contact_prefix(accepted.job, data.rows), "records": data.rows}
        self._look({**of, "step": min(MOST, data.rows)})
        self.importer.reset_peaks()
        meter = self.importer.meter()
        before, begun = meter.read(), time.time()
        undo(self.importer.url, accepted.job, 0.05)
        seconds, usage = time.time() - begun, before.until(meter.read())
        peaks = self.importer.peaks()
        if (found := server.ask(LEFT.format(**of))) != [(self.others, 0)]:
            raise BenchmarkError(f"{found} is left, but should be {self.others} others.")
        figures = {SECONDS: seconds, RATE: data.rows / seconds}
        return Run(self.name, figures, usage, peaks, limits(usage, meter.cores), data.rows)

    def _look(self, of: dict[str, Any]) -> None:
        """Record the plans. Raises BenchmarkError unless they are ranges of the primary key."""
        server = self.importer.server
        server.ask("ANALYZE public.contacts", dsn=server.admin)
        self.plan.clear()
        for statement in STEPS:
            lines = [str(line) for (line,) in server.ask(statement.format(**of))]
            self.plan += lines
            if not any("contacts_pkey" in line for line in lines):
                raise BenchmarkError("\n".join(["An undo does not use the index:", *lines]))
