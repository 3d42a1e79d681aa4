"""Seconds until 202, compared with an upload of the same bytes; and the splitters alone."""

from benchmarks.baselines import RawUpload
from benchmarks.contacts import Kind
from benchmarks.importer import Importer
from benchmarks.lab import Lab
from benchmarks.measure import Column, Result, measure
from benchmarks.ours import MB_RATE, SECONDS, Post
from benchmarks.splitters import Splitting

RATE = Column(MB_RATE, "MB/s", ",.0f")


def run(lab: Lab) -> list[Result]:
    """Run POST and raw upload with each kind of file in turn, then the splitters."""
    with lab.importer() as importer:
        posts = [_posts(lab, importer, kind) for kind in lab.options.kinds]
    return [*posts, _splitters(lab)]


def _posts(lab: Lab, importer: Importer, kind: Kind) -> Result:
    raw = RawUpload(importer, lab.data(), kind)
    runs = measure([Post(importer, lab.data(), kind), raw], lab.options.rounds, SECONDS, lab.say)
    columns = (Column(SECONDS, "seconds until 202, or stored"), RATE)
    title = f"POST of {lab.options.rows:,} contacts until 202, {kind.upper()}"
    notes = ["No workers run meanwhile. CPU seconds of a raw upload's client include its start."]
    return Result("upload", title, columns, runs, [raw.name], notes)


def _splitters(lab: Lab) -> Result:
    contenders = [Splitting(lab.data(), kind) for kind in lab.options.kinds]
    runs = measure(contenders, lab.options.rounds, MB_RATE, lab.say)
    notes = ["By CPU seconds, in one process, from memory, in pieces of 64 KiB."]
    columns = (RATE, Column(SECONDS, "CPU seconds"))
    return Result("upload", "Check and cut alone, one core", columns, runs, (), notes)
