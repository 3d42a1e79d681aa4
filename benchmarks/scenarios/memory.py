"""Peak memory of service and workers, for small and large bodies and for many at once."""

import asyncio
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks import large
from benchmarks.client import follow, post
from benchmarks.contacts import Kind
from benchmarks.data import KEPT
from benchmarks.errors import BenchmarkError
from benchmarks.importer import WARM_UPS, Importer
from benchmarks.lab import Lab
from benchmarks.measure import Column, Result, Run
from benchmarks.ours import POST, SECONDS
from benchmarks.usage import limits
from benchmarks.watched_service import VARIABLE

MB = 10**6
SMALLEST = 5 * MB
UPLOADS = 50
PATIENCE = 3600
MOST_BYTES = 120 * 2**20
"""The memory that a service may use for one upload of any size."""
APART_BYTES = 10 * 2**20
"""How much more memory the largest upload may need than the smallest."""
DISK_FACTOR = 1.5
"""Disk space of an import: its object, and its contacts with their log."""
LATE, LATE_CPU = "late", "late cpu"


def run(lab: Lab) -> list[Result]:
    """Upload each size with new processes, then fifty bodies at once."""
    rows = lab.options.rows
    sizes = [SMALLEST, rows * 1000, rows * 10_000]
    return [
        *(_one(lab, writer, sizes) for writer in lab.writers),
        _many(lab, rows * 100),
    ]


def _one(lab: Lab, writer: str, sizes: list[int]) -> Result:
    runs, notes = [], [f"Records of {large.RECORD_BYTES} bytes; service and workers start anew."]
    for size in sizes:
        if _room_for(size):
            with lab.importer() as importer:
                runs.append(_import(lab, importer, writer, size))
        else:
            notes.append(f"Left out for want of disk: {_shown(size)}.")
    check_bounds([run.peaks["service"] for run in runs])
    columns = (Column(POST, "POST to 202, s"), Column(SECONDS, "202 to completed, s"))
    return Result("memory", f"Memory: one upload, {writer}", columns, runs, (), notes)


def check_bounds(peaks: list[int]) -> None:
    """Raise BenchmarkError if memory depends on the size of a body, or is too high."""
    apart, most = max(peaks) - min(peaks), max(peaks)
    if apart > APART_BYTES or most > MOST_BYTES:
        raise BenchmarkError(f"The service had up to {most:,} bytes, {apart:,} apart.")


def _import(lab: Lab, importer: Importer, writer: str, size: int) -> Run:
    importer.work(writer)
    lab.server.erase()
    meter = importer.meter()
    before = meter.read()
    accepted = post(importer.url, Kind.JSON, large.body(size), None)
    completed = follow(importer.url, accepted.job, 0.25)
    usage = before.until(meter.read())
    peaks = importer.peaks()
    lab.server.expect(large.records_in(size), 0, emails=1)
    figures = {POST: accepted.seconds, SECONDS: completed.seen - accepted.at}
    lab.say(f"  {_shown(size)}: {figures}, peaks {peaks}")
    lab.server.erase()
    return Run(_shown(size), figures, usage, peaks, limits(usage, meter.cores), size)


def _many(lab: Lab, size: int) -> Result:
    title = f"Memory: {UPLOADS} uploads of {_shown(size)} at once"
    columns = (
        Column(POST, "until all are 202, s"),
        Column(SECONDS, "until all are completed, s"),
        Column(LATE, "event loop late by at most, ms", ",.0f"),
        Column(LATE_CPU, "of which it worked, ms", ",.0f"),
    )
    notes = [
        "Late is a heartbeat of 5 ms (see watched_service.py); what it did not work, it waited for",
        "a core. Workers begin once all are 202.",
    ]
    if not _room_for(UPLOADS * size):
        return Result("memory", title, columns, [], (), ["Left out for want of disk."])
    heartbeat = lab.folder / "heartbeat"
    environment = {VARIABLE: str(heartbeat)}
    with lab.importer("benchmarks.watched_service", environment) as importer:
        runs = [_upload_many(lab, importer, size, heartbeat)]
    return Result("memory", title, columns, runs, (), notes)


def _upload_many(lab: Lab, importer: Importer, size: int, heartbeat: Path) -> Run:
    lab.server.erase()
    meter = importer.meter()
    before, begun = meter.read(), time.time()
    jobs = asyncio.run(_send(importer.url, size))
    accepted = time.time()
    usage = before.until(meter.read())
    peaks, worst = importer.peaks(), _latest(heartbeat, begun)
    importer.work(lab.writer)
    for job in jobs:
        follow(importer.url, job, 0.25)
    figures = {
        POST: accepted - begun,
        SECONDS: time.time() - accepted,
        LATE: worst.late * 1000,
        LATE_CPU: worst.used * 1000,
    }
    peaks |= {name: peak for name, peak in importer.peaks().items() if name != "service"}
    lab.server.expect(UPLOADS * large.records_in(size) + WARM_UPS, 0, emails=2)
    lab.say(f"  {figures}, peaks {peaks}")
    lab.server.erase()
    return Run(f"{UPLOADS} x {_shown(size)}", figures, usage, peaks, limits(usage, meter.cores))


async def _send(url: str, size: int) -> list[str]:
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as session:
        return await asyncio.gather(*(_upload(session, size) for _ in range(UPLOADS)))


async def _upload(session: aiohttp.ClientSession, size: int) -> str:
    headers = {"Content-Type": "application/json"}
    body = large.body_async(size)
    async with session.post("/import", data=body, headers=headers) as answer:
        if answer.status != 202:
            raise BenchmarkError(f"Answered {answer.status}: {await answer.text()}")
        return str((await answer.json())["jobId"])


@dataclass(frozen=True)
class Beat:
    """A late tick of the event loop, in seconds."""

    at: float
    late: float
    used: float


def _latest(heartbeat: Path, since: float) -> Beat:
    """Return the latest tick."""
    beats = [beat for beat in _beats(heartbeat) if beat.at >= since]
    return max(beats, key=lambda beat: beat.late, default=Beat(since, 0, 0))


def _beats(heartbeat: Path) -> Iterator[Beat]:
    for line in heartbeat.read_text().splitlines():
        at, late, used = map(float, line.split())
        yield Beat(at, late, used)


def _room_for(size: int) -> bool:
    return shutil.disk_usage(KEPT).free > size * DISK_FACTOR + 4e9


def _shown(size: int) -> str:
    return f"{size // (1000 * MB):,} GB" if size >= 1000 * MB else f"{size // MB:,} MB"
