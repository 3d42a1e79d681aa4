"""Rows/s of imports and of their undos in a table that has many contacts already."""

import shutil
import time
from dataclasses import dataclass

from benchmarks.client import follow, post_file, undo
from benchmarks.contacts import Kind, contact_prefix
from benchmarks.errors import BenchmarkError
from benchmarks.importer import Importer
from benchmarks.lab import Lab
from benchmarks.measure import Column, Result, Run, measure
from benchmarks.server import Server
from benchmarks.usage import limits

TIMES = 10
CHUNK = 1_000_000
"""Contacts that are inserted in one transaction."""
BYTES = 200
"""Of the disk for each contact, with its index and the log of the database, at most."""
IMPORTED, UNDONE, LOGGED = "imported/s", "undone/s", "WAL bytes"
COLUMNS = (
    Column(IMPORTED, "imported rows/s", ",.0f"),
    Column(UNDONE, "undone rows/s", ",.0f"),
    Column(LOGGED, "write-ahead log of the import, bytes/row", ",.0f"),
)
# As of imports of 100,000 contacts that were accepted one second after the other, in 2023.
OTHERS = """
SET statement_timeout = 0;
INSERT INTO public.contacts (id, name, email, source)
SELECT (lpad(to_hex((1700000000 + n / 100000) * 1000), 12, '0') || '80008000000'
        || lpad(to_hex(n % 100000 + 1), 9, '0'))::uuid,
       'Other Person ' || n, 'other' || n || '@example.com', 'others'
FROM generate_series({first}::bigint, {last}) AS n
"""
LEFT = """
SELECT count(*) FROM public.contacts
WHERE id BETWEEN public.contact_id('{prefix}', 1) AND public.contact_id('{prefix}', {records})
"""
WRITTEN = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8"
SIZES = """
SELECT pg_size_pretty(pg_table_size('public.contacts')),
       pg_size_pretty(pg_indexes_size('public.contacts'))
"""


def run(lab: Lab) -> list[Result]:
    """Measure with an empty table, and then with more and more contacts in it."""
    server, notes = lab.server, []
    server.erase()
    runs: list[Run] = []
    there = 0
    with lab.importer() as importer:
        for size in (0, *(lab.options.contacts or (TIMES * lab.options.rows,))):
            fill(lab, there, size)
            there = size
            contenders = [Table(lab, importer, writer, size) for writer in lab.writers]
            runs += measure(contenders, lab.options.rounds, IMPORTED, lab.say)
            ((table, index),) = server.ask(SIZES)
            notes.append(f"* {size:,} contacts: table {table}, index of the primary key {index}")
    server.erase()
    title = f"Import and undo of {lab.options.rows:,} contacts in a table of many"
    return [Result("table", title, COLUMNS, runs, (), ["On the disk at the end:", "", *notes])]


def fill(lab: Lab, there: int, size: int) -> None:
    """Insert other contacts until there are ``size``; raises BenchmarkError if the disk is full."""
    if size <= there:
        return
    free = shutil.disk_usage(lab.folder).free
    if lab.server.pid is not None and free < (size - there) * BYTES:
        raise BenchmarkError(f"{size:,} contacts may need more than the {free / 1e9:.0f} GB free.")
    begun = time.monotonic()
    for first in range(there, size, CHUNK):
        lab.server.ask(OTHERS.format(first=first, last=min(size, first + CHUNK) - 1))
    inserted = time.monotonic()
    lab.server.ask("VACUUM (ANALYZE) public.contacts", dsn=lab.server.admin)
    lab.say(
        f"  {size - there:,} other contacts inserted in {inserted - begun:.0f} s, "
        f"vacuumed in {time.monotonic() - inserted:.0f} s"
    )


@dataclass(frozen=True)
class Table:
    """One import and its undo, with one writer."""

    lab: Lab
    importer: Importer
    writer: str
    size: int

    @property
    def name(self) -> str:
        """Its name in the tables."""
        return f"{self.size:,} contacts, {self.writer}"

    def run(self) -> Run:
        """Import the file, and undo the import; other contacts stay."""
        data, server, importer = self.lab.data(), self.importer.server, self.importer
        importer.work(self.writer)
        server.checkpoint()
        ahead = server.seconds_ahead()
        importer.reset_peaks()
        meter = importer.meter()
        before, logged = meter.read(), _logged(server)
        accepted = post_file(importer.url, Kind.JSON, data.file(Kind.JSON))
        completed = follow(importer.url, accepted.job, 0.25)
        seconds, logged = completed.finished - ahead - accepted.at, _logged(server) - logged
        begun = time.time()
        undo(importer.url, accepted.job, 0.05)
        undone = time.time() - begun
        usage = before.until(meter.read())
        of = {"prefix": contact_prefix(accepted.job, data.rows), "records": data.rows}
        if completed.shown["imported"] != data.rows or server.ask(LEFT.format(**of)) != [(0,)]:
            raise BenchmarkError(f"Not all was imported and undone: {completed.shown}")
        figures = {
            IMPORTED: data.rows / seconds,
            UNDONE: data.rows / undone,
            LOGGED: logged / data.rows,
        }
        peaks = importer.peaks()
        return Run(self.name, figures, usage, peaks, limits(usage, meter.cores), data.rows)


def _logged(server: Server) -> float:
    ((written,),) = server.ask(WRITTEN)
    return float(written)
