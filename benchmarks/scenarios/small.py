"""Imports per second: small ones, from fifty clients at once, until all are completed."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp

from benchmarks.contacts import SOURCE
from benchmarks.errors import BenchmarkError
from benchmarks.importer import Importer
from benchmarks.lab import Lab
from benchmarks.measure import Column, Result, Run, measure
from benchmarks.usage import limits

CLIENTS, CONTACTS = 50, 10
MOST, FEWEST = 1000, 200
LOOK_EVERY, PATIENCE = 0.05, 600.0
RATE, POSTS, UNAVAILABLE = "imports/s", "202/s", "503"
COLUMNS = (
    Column(RATE, "imports/s, all completed"),
    Column(POSTS, "202/s"),
    Column(UNAVAILABLE, "answers 503, sent again", ",.0f"),
)
ENDED = """
SELECT count(*), count(*) FILTER (WHERE state = 'completed'),
       extract(epoch FROM max(finished_at))::float8
FROM public.imports WHERE finished_at IS NOT NULL
"""


def run(lab: Lab) -> list[Result]:
    """Run all rounds with each writer."""
    imports = max(FEWEST, min(MOST, lab.options.rows // 1000))
    with lab.importer() as importer:
        contenders = [Small(importer, writer, imports) for writer in lab.writers]
        runs = measure(contenders, lab.options.rounds, RATE, lab.say)
    title = f"{imports:,} imports of {CONTACTS} contacts, {CLIENTS} clients at once"
    notes = ["From the first POST to the end of the last import.", *lab.missing]
    return [Result("small", title, COLUMNS, runs, (), notes)]


@dataclass(frozen=True)
class Small:
    """Many small imports at once."""

    importer: Importer
    writer: str
    imports: int

    @property
    def name(self) -> str:
        """Its name in the tables."""
        return f"ours, {self.writer}"

    def run(self) -> Run:
        """Send all imports, and wait until they are completed."""
        server = self.importer.server
        self.importer.work(self.writer)
        server.erase()
        ahead = server.seconds_ahead()
        self.importer.reset_peaks()
        meter = self.importer.meter()
        before, begun = meter.read(), time.time()
        clients = Clients(self.importer.url, iter(range(self.imports)))
        asyncio.run(clients.send())
        sent = time.time()
        finished = self._await_all() - ahead
        usage = before.until(meter.read())
        server.expect(self.imports * CONTACTS, 0)
        figures = {
            RATE: self.imports / (finished - begun),
            POSTS: self.imports / (sent - begun),
            UNAVAILABLE: clients.unavailable,
        }
        peaks = self.importer.peaks()
        return Run(self.name, figures, usage, peaks, limits(usage, meter.cores))

    def _await_all(self) -> float:
        """Return when the last import ended, by the database's clock, from the database itself."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            ((ended, completed, last),) = self.importer.server.ask(ENDED)
            if ended == self.imports == completed:
                return float(last)
            time.sleep(LOOK_EVERY)
        raise BenchmarkError(f"Of {self.imports} imports {ended} ended, {completed} completed.")


@dataclass
class Clients:
    """Fifty clients that share the requests to send."""

    url: str
    numbers: Iterator[int]
    unavailable: int = field(default=0, init=False)

    async def send(self) -> None:
        """Send all requests."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(self.url, connector=connector) as session:
            await asyncio.gather(*(self._send(session) for _ in range(CLIENTS)))

    async def _send(self, session: aiohttp.ClientSession) -> None:
        for number in self.numbers:
            while not await self._accepted(session, _contacts(number)):
                self.unavailable += 1
                await asyncio.sleep(LOOK_EVERY)

    async def _accepted(self, session: aiohttp.ClientSession, body: bytes) -> bool:
        headers = {"Content-Type": "application/json"}
        async with session.post("/import", data=body, headers=headers) as answer:
            if answer.status not in {202, 503}:
                raise BenchmarkError(f"Answered {answer.status}: {await answer.text()}")
            return answer.status == 202


def _contacts(number: int) -> bytes:
    data = [
        {"name": f"Person {each}", "email": f"person{number}.{each}@example.com"}
        for each in range(CONTACTS)
    ]
    return json.dumps({"source": SOURCE, "data": data}).encode()
