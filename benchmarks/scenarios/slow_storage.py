"""A large import where Storage reads the whole object before each answer, and where it does not."""

from dataclasses import replace
from typing import Final

from benchmarks.client import follow, post_file
from benchmarks.contacts import Kind
from benchmarks.importer import Importer, running_importer
from benchmarks.lab import Lab
from benchmarks.measure import Column, Result, Run
from benchmarks.server import Server, embedded_server

SECONDS_PER_GB: Final = 2.0
"""What Storage's file backend takes on a machine with two cores."""
TIMES: Final = 28
"""A million contacts are 72 MB as JSON: these are two gigabytes."""
LOOK_EVERY: Final = 0.1

COLUMNS: Final = (
    Column("seconds", "POST to completed, s", ",.0f"),
    Column("post", "POST to 202, s", ",.0f"),
    Column("parts", "parts", ",.0f"),
    Column("ratio", "of the time without"),
)


def run(lab: Lab) -> list[Result]:
    """Import one file on the Supabase of the lab, and then on a slow one."""
    rows = TIMES * lab.options.rows
    plain = _run(lab, lab.server, "at once")
    with embedded_server(
        lab.folder / "slow", lab.options.postgres, seconds_per_gb=SECONDS_PER_GB
    ) as server:
        slow = _run(lab, server, f"after {SECONDS_PER_GB:g} s for each GB")
    alone = plain.figures["seconds"]
    runs = [
        replace(each, figures={**each.figures, "ratio": each.figures["seconds"] / alone})
        for each in (plain, slow)
    ]
    title = f"{rows:,} contacts from a Storage that answers at once or late"
    return [Result("slow-storage", title, COLUMNS, runs)]


def _run(lab: Lab, server: Server, name: str) -> Run:
    with running_importer(server, lab.folder, "service", {}) as importer:
        importer.work(lab.writer)
        server.erase()
        figures = _import(lab, importer)
        server.expect(TIMES * lab.options.rows, 0)
        server.erase()
    lab.say(f"  {name}: {figures}")
    return Run(name, figures)


def _import(lab: Lab, importer: Importer) -> dict[str, float]:
    ahead = importer.server.seconds_ahead()
    path = lab.data(TIMES * lab.options.rows).file(Kind.JSON)
    accepted = post_file(importer.url, Kind.JSON, path)
    ended = follow(importer.url, accepted.job, LOOK_EVERY).finished - ahead
    ((parts,),) = importer.server.ask("select count(*) from public.import_parts")
    return {
        "seconds": ended - accepted.begun,
        "post": accepted.at - accepted.begun,
        "parts": float(parts),
    }
