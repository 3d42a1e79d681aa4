"""Rows per second, compared with the alternatives."""

from benchmarks.baselines import COPY_DEFAULT_IDS, COPY_GIVEN_IDS, Copy, Naive
from benchmarks.contacts import Kind, Profile
from benchmarks.importer import Importer
from benchmarks.lab import Lab
from benchmarks.measure import Column, Contender, Result, measure
from benchmarks.ours import POST, RATE, SECONDS, TOTAL, Ours

COLUMNS = (
    Column(RATE, "rows/s", ",.0f"),
    Column(SECONDS, "seconds"),
    Column(POST, "POST to 202, s"),
    Column(TOTAL, "POST to completed, s"),
)


def run(lab: Lab) -> list[Result]:
    """Run each writer with each kind of file, and all baselines, in turn."""
    with lab.importer() as importer:
        contenders = [*_ours(lab, importer), *_baselines(lab, importer)]
        runs = measure(contenders, lab.options.rounds, RATE, lab.say)
    notes = [
        "Seconds are those from 202 to `completed`; a baseline's are those of its whole work.",
        *lab.missing,
    ]
    if lab.options.profile is not Profile.PLAIN:
        notes.append("ijson + supabase-py is left out: it checks nothing. \\copy gets no bad rows.")
    references = (COPY_DEFAULT_IDS, COPY_GIVEN_IDS)
    title = f"Import of {lab.options.rows:,} contacts"
    return [Result("import", title, COLUMNS, runs, references, notes)]


def _ours(lab: Lab, importer: Importer) -> list[Contender]:
    files = [(lab.data(), kind) for kind in lab.options.kinds]
    rejected = (lab.data(profile=Profile.REJECTED), lab.options.kinds[0])
    return [
        *(Ours(importer, *file, writer) for writer in lab.writers for file in files),
        Ours(importer, *rejected, lab.writer),
    ]


def _baselines(lab: Lab, importer: Importer) -> list[Contender]:
    copies = [Copy(importer, lab.data(), kind, lab.psql) for kind in (Kind.COPY, Kind.COPY_IDS)]
    plain = lab.options.profile is Profile.PLAIN
    return [*copies, *([Naive(importer, lab.data())] if plain else [])]
