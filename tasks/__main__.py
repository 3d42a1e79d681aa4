"""``python -m tasks``: works or sweeps once, then ends."""

import argparse
import os
import sys

from tasks.run_once import run_once, sweep_now

EXIT_USAGE = 2


def main() -> int:
    """Read the arguments and work; returns the exit code."""
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.once:
        return run_once(arguments.threads)
    if arguments.sweep:
        return sweep_now()
    parser.print_help(sys.stderr)
    return EXIT_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tasks",
        description="Import what is on the queue. For a worker that stays, run: dramatiq tasks",
        epilog="Exit codes: 0 all is done, 1 an import or an undo failed, 2 wrong arguments or "
        "settings, 3 the database or Storage is away, 4 imports are still open, 130 or 143 stopped "
        "by a signal.",
    )
    do = parser.add_mutually_exclusive_group()
    do.add_argument("--once", action="store_true", help="work until the queue is empty")
    do.add_argument(
        "--sweep",
        action="store_true",
        help="queue imports that lost their message, remove old objects without an import",
    )
    parser.add_argument(
        "--threads",
        type=_count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="parts to import at the same time (default: as many as there are processors)",
    )
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
