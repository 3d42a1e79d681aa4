"""``python -m tasks``: imports or sweeps once, then ends."""

import argparse
import os
import sys

from tasks.run_once import run_once, sweep_once

EXIT_USAGE = 2


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tasks",
        description="Import what is queued, then end. To run a permanent worker: dramatiq tasks",
        epilog="Exit codes: 0 everything is done, 1 an import or an undo failed, 2 wrong arguments "
        "or settings, 3 the database or Storage is unavailable, 4 imports are still open, 130 or "
        "143 stopped by a signal.",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--once", action="store_true", help="work until the queue is empty")
    action.add_argument(
        "--sweep",
        action="store_true",
        help="queue imports that lost their message, remove old objects without an import",
    )
    parser.add_argument(
        "--threads",
        type=_positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="parts to import at the same time (default: the number of processors)",
    )
    arguments = parser.parse_args()
    if arguments.once:
        return run_once(arguments.threads)
    if arguments.sweep:
        return sweep_once()
    parser.print_help(sys.stderr)
    return EXIT_USAGE


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a number of at least 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
