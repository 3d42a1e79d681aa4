"""The importer as a contender: imports one file, and counts the rows."""

from dataclasses import dataclass
from typing import Final

from benchmarks.client import follow, post_file
from benchmarks.contacts import Kind, Profile
from benchmarks.data import DataSet
from benchmarks.importer import POSTGREST, PROCESSES, Importer
from benchmarks.measure import Run
from benchmarks.usage import limits

RATE, MB_RATE, SECONDS = "rows/s", "MB/s", "seconds"
POST, TOTAL = "post seconds", "post to completed seconds"

_MANY: Final = 300_000
"""From this number of rows on, an import is polled less often, since each poll costs a request."""


@dataclass(frozen=True)
class Post:
    """``POST /import`` until 202, without workers."""

    importer: Importer
    data: DataSet
    kind: Kind

    @property
    def name(self) -> str:
        """Its name in the tables."""
        return f"POST, {self.kind.upper()}"

    def run(self) -> Run:
        """Send the file once."""
        path, server = self.data.file(self.kind), self.importer.server
        self.importer.rest()
        server.erase()
        self.importer.reset_peaks()
        meter = self.importer.meter()
        before = meter.read()
        accepted = post_file(self.importer.url, self.kind, path)
        usage = before.until(meter.read())
        peaks = self.importer.peaks()
        server.expect_queued(self.data.rows)
        figures = {SECONDS: accepted.seconds, MB_RATE: path.stat().st_size / 1e6 / accepted.seconds}
        return Run(self.name, figures, usage, peaks, limits(usage, meter.cores), self.data.rows)


@dataclass(frozen=True)
class Ours:
    """``POST /import`` until ``completed``."""

    importer: Importer
    data: DataSet
    kind: Kind
    writer: str = POSTGREST
    machines: int = 1
    processes: int = PROCESSES

    @property
    def name(self) -> str:
        """Its name in the tables."""
        what = ", all rejected" if self.data.profile is Profile.REJECTED else ""
        return f"ours, {self.kind.upper()}, {self.writer}{what}"

    def run(self) -> Run:
        """Import the file once; the rate is that from 202 to ``completed``."""
        path, server = self.data.file(self.kind), self.importer.server
        self.importer.work(self.writer, machines=self.machines, processes=self.processes)
        server.erase()
        ahead = server.seconds_ahead()
        self.importer.reset_peaks()
        meter = self.importer.meter()
        before = meter.read()
        accepted = post_file(self.importer.url, self.kind, path)
        between = meter.read()
        completed = follow(self.importer.url, accepted.job, 0.25 if self._many else 0.05)
        after = meter.read()
        peaks = self.importer.peaks()
        server.expect(self.data.rows - self.data.bad, self.data.bad)
        finished = completed.finished - ahead
        seconds = finished - accepted.at
        working = between.until(after)
        return Run(
            self.name,
            {
                RATE: self.data.rows / seconds,
                SECONDS: seconds,
                POST: accepted.seconds,
                TOTAL: finished - accepted.begun,
            },
            before.until(between) + working,
            peaks,
            limits(working, meter.cores),
            self.data.rows,
            accepted.job,
        )

    @property
    def _many(self) -> bool:
        return self.data.rows >= _MANY
