"""Reads the corpus and prints, by category, what became of the files.

``python -m tests.corpus`` imports them the whole way, on an embedded stack. ``--fast`` reads them
in this process only. ``--update`` makes the outcomes those that the tests expect.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from embedded.launch import running
from local.processes import service
from tests.acceptance.conftest import Importer
from tests.support.corpus import (
    CorpusFile,
    Imported,
    Judgement,
    Outcome,
    Refused,
    corpus_files,
    known_outcomes,
    write_outcomes,
)
from tests.support.corpus_imports import import_as_files
from tests.support.corpus_reading import read_file


def main() -> int:
    """Print the report; returns 1 if a file is wrong, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("--fast", action="store_true", help="read the files in this process")
    parser.add_argument("--update", action="store_true", help="write outcomes.tsv")
    options = parser.parse_args()
    files = list(corpus_files())
    results = _read(files) if options.fast else _import(files)
    judgements = {file.name: file.judge(results[file.name]) for file in files}
    sys.stdout.write(report(files, judgements, known_outcomes()))
    if options.update:
        write_outcomes(judgements)
    return int(any(each.outcome is Outcome.WRONG for each in judgements.values()))


def report(
    files: Sequence[CorpusFile],
    judgements: Mapping[str, Judgement],
    known: Mapping[str, Outcome],
) -> str:
    """Return a table with a row for each category, and all files that are not right."""
    lines = [_row("category", ["files", *Outcome, "fair"])]
    for category in [*dict.fromkeys(file.category for file in files), "all"]:
        judged = [judgements[file.name] for file in files if category in {file.category, "all"}]
        counts = Counter(each.outcome for each in judged)
        fair = sum(each.is_fair for each in judged)
        lines.append(_row(category, [len(judged), *(counts[each] for each in Outcome), fair]))
    lines += ["", "Not right (* not fair either):"]
    for name, each in judgements.items():
        if each.outcome is not Outcome.RIGHT:
            mark = " " if each.is_fair else "*"
            lines.append(f"{mark} {each.outcome:<9}{name:<44}{each.cause}".rstrip())
    if changed := [name for name in judgements if known.get(name) != judgements[name].outcome]:
        lines += ["", "Not as outcomes.tsv has it:"]
        lines += [f"  {name}: {known.get(name)} -> {judgements[name].outcome}" for name in changed]
    return "\n".join([*lines, ""])


def _row(head: str, cells: Sequence[object]) -> str:
    return f"{head:<12}" + "".join(f"{cell!s:>10}" for cell in cells)


def _read(files: Sequence[CorpusFile]) -> Mapping[str, Imported | Refused]:
    return {file.name: read_file(file.path.read_bytes(), file.path.name) for file in files}


def _import(files: Sequence[CorpusFile]) -> Mapping[str, Imported | Refused]:
    with (
        tempfile.TemporaryDirectory() as name,
        running(Path(name) / "data") as stack,
        service(stack, Path(name) / "service.log") as (url, _),
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        return import_as_files(Importer(http, stack, Path(name)), files)


if __name__ == "__main__":
    sys.exit(main())
