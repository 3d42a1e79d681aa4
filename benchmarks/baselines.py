"""The alternatives: each does the same work once, and the result is counted."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from psycopg2.extensions import parse_dsn

from benchmarks import commands
from benchmarks.contacts import Kind
from benchmarks.data import DataSet
from benchmarks.errors import BenchmarkError
from benchmarks.importer import Importer
from benchmarks.measure import Run
from benchmarks.ours import MB_RATE, RATE, SECONDS
from benchmarks.usage import CLIENT, limits

COPY_DEFAULT_IDS: Final = "psql \\copy, default ids"
COPY_GIVEN_IDS: Final = "psql \\copy, ids given"
NAIVE: Final = "ijson + supabase-py"
RAW_UPLOAD: Final = "raw upload"

_PSQL_TIME: Final = re.compile(r"^Time: ([0-9.]+) ms", re.MULTILINE)
_COLUMNS: Final = {Kind.COPY: "name, email, source", Kind.COPY_IDS: "id, name, email, source"}
_NAMES: Final = {Kind.COPY: COPY_DEFAULT_IDS, Kind.COPY_IDS: COPY_GIVEN_IDS}


@dataclass(frozen=True)
class Copy:
    r"""``psql \copy`` of a CSV file into ``contacts``; ids are random, or stand in the file."""

    importer: Importer
    data: DataSet
    kind: Kind
    psql: Path

    @property
    def name(self) -> str:
        """Its name in the tables."""
        return _NAMES[self.kind]

    def run(self) -> Run:
        """Copy the file once; psql measures the time itself, without its start and login."""
        file = self.data.file(self.kind)
        copy = f"\\copy contacts ({_COLUMNS[self.kind]}) from '{file}' csv header"
        command: list[str | Path] = [
            self.psql,
            "--no-psqlrc",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            "\\timing",
            "-c",
            copy,
        ]
        environment = _libpq_environment(self.importer.server.env["DATABASE_URL"])
        run = _timed(self.importer, self.name, self.data.rows, command, environment)
        self.importer.server.expect(self.data.rows - self.data.bad, 0)
        return run


@dataclass(frozen=True)
class Naive:
    """ijson and supabase-py, a thousand contacts at a time, without validation (naive.py)."""

    importer: Importer
    data: DataSet
    name: str = NAIVE

    def run(self) -> Run:
        """Import the file once."""
        command = commands.module("benchmarks.naive", self.data.file(Kind.JSON))
        server = self.importer.server
        run = _timed(self.importer, self.name, self.data.rows, command, server.env)
        server.expect(self.data.rows, 0)
        return run


@dataclass(frozen=True)
class RawUpload:
    """Uploads the same bytes into the same Storage in the same chunks (raw_upload.py)."""

    importer: Importer
    data: DataSet
    kind: Kind

    @property
    def name(self) -> str:
        """Its name in the tables."""
        return f"{RAW_UPLOAD}, {self.kind.upper()}"

    def run(self) -> Run:
        """Upload the file once."""
        path, server = self.data.file(self.kind), self.importer.server
        command = commands.module("benchmarks.raw_upload", path)
        self.importer.rest()
        run = _timed(self.importer, self.name, self.data.rows, command, server.env)
        size = path.stat().st_size
        server.expect_object(size)
        figures = {SECONDS: run.figures[SECONDS], MB_RATE: size / 1e6 / run.figures[SECONDS]}
        return replace(run, figures=figures)


def _timed(
    importer: Importer,
    name: str,
    rows: int,
    command: Sequence[str | Path],
    environment: Mapping[str, str],
) -> Run:
    """Run a program that prints how long it took, while the importer is idle."""
    importer.server.erase()
    meter = importer.meter()
    before = meter.read()
    done = commands.run(command, environment)
    usage = before.until(meter.read())
    seconds = seconds_told(done.output)
    figures = {RATE: rows / seconds, SECONDS: seconds}
    one_each = dict.fromkeys(meter.all_cores, 1)  # it does everything in sequence
    return Run(name, figures, usage, {CLIENT: done.peak}, limits(usage, one_each), rows)


def _libpq_environment(url: str) -> dict[str, str]:
    """Return the connection as libpq's variables; command lines are visible to all users."""
    named = {"dbname": "database"}
    return {f"PG{named.get(key, key).upper()}": value for key, value in parse_dsn(url).items()}


def seconds_told(output: str) -> float:
    """Return the seconds that a baseline printed: psql's timing, or a number."""
    if found := _PSQL_TIME.findall(output):
        return float(found[-1]) / 1000
    try:
        return float(output)
    except ValueError:
        raise BenchmarkError(f"There is no time in the output: {output}") from None
