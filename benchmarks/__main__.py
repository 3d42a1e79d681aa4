"""``python -m benchmarks``: measures, and writes the results."""

import argparse
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks import report
from benchmarks.contacts import Kind, Profile
from benchmarks.errors import BenchmarkError
from benchmarks.facts import facts
from benchmarks.importer import WRITERS
from benchmarks.lab import Lab, Options, opened_lab
from benchmarks.measure import Result
from benchmarks.plot import draw
from benchmarks.scenarios import SCENARIOS
from embedded.errors import StackError
from embedded.programs import WHEEL

RESULTS = Path(__file__).with_name("results")
PROBLEM_TYPES = (Kind.JSON, Kind.CSV, Kind.NDJSON)
"""What the service takes."""


def main() -> int:
    """Run the chosen scenarios; returns 1 if something made the figures meaningless."""
    arguments = _parser().parse_args()
    if arguments.list:
        for name, run in SCENARIOS.items():
            _say(f"{name:<9} {(sys.modules[run.__module__].__doc__ or '').splitlines()[0]}")
        return 0
    try:
        with opened_lab(_options(arguments), _say) as lab:
            _run(lab, arguments.scenarios or list(SCENARIOS))
    except (BenchmarkError, StackError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _run(lab: Lab, names: list[str]) -> None:
    known = facts(lab)
    _say("".join(f"{name}: {value}\n" for name, value in known.items()))
    results: list[Result] = []
    for name in names:
        begun = time.monotonic()
        _say(f"{name} ...")
        results += SCENARIOS[name](lab)
        _say(f"{name} took {time.monotonic() - begun:.0f} s\n")
        _write(known, results)
    _say(report.markdown(known, results))
    _say(f"Written to {RESULTS}.")


def _write(known: Mapping[str, str], results: list[Result]) -> None:
    """Write the results after each scenario, so that a later failure does not lose them."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.md").write_text(report.markdown(known, results), "utf-8")
    draw(results, RESULTS / "latest.png")
    (RESULTS / "latest.json").write_text(report.machine_readable(known, results), "utf-8")


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        rows=arguments.rows,
        rounds=arguments.rounds,
        profile=arguments.profile,
        seed=arguments.seed,
        kinds=tuple(arguments.kinds),
        writers=tuple(arguments.writers),
        postgres=arguments.postgres,
        erase=arguments.erase,
        contacts=tuple(sorted(arguments.contacts)),
    )


def _parser() -> argparse.ArgumentParser:
    usual = Options()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the importer beside what one would use instead.",
        epilog="On the embedded stack, or on the Supabase that SUPABASE_URL,"
        " SUPABASE_SERVICE_ROLE_KEY and DATABASE_URL name.",
    )
    add = parser.add_argument
    add("scenarios", nargs="*", metavar="NAME", help="what to measure (all)")
    add("--list", action="store_true", help="tell what there is to measure")
    add("--rows", type=_count, default=usual.rows, help="contacts (%(default)s)")
    add("--rounds", type=_count, default=usual.rounds, help="that count (%(default)s)")
    add("--profile", type=Profile, choices=list(Profile), default=usual.profile)
    add("--seed", type=int, default=usual.seed, help="of the contacts (%(default)s)")
    add("--kinds", type=Kind, nargs="+", choices=PROBLEM_TYPES, default=usual.kinds)
    add("--writers", nargs="+", choices=WRITERS, default=usual.writers)
    add(
        "--postgres",
        default=os.environ.get("EMBEDDED_POSTGRES") or WHEEL,
        help="wheel, path or a folder, as for python -m embedded (%(default)s)",
    )
    add(
        "--contacts",
        type=_count,
        nargs="+",
        default=(),
        help="in the table before the imports of the scenario `table` (ten times --rows)",
    )
    add("--erase", action="store_true", help="contacts of the Supabase that is set may go")
    return parser


def _count(text: str) -> int:
    number = int(text.replace("_", "").replace(",", ""))
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
