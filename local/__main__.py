"""``python -m local demo`` and ``python -m local up [--reload]``."""

import argparse
import sys

from local.demo import run_demo
from local.up import run_up


def main() -> int:
    """Run the command; returns the exit code, 0 for success."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="import on this machine, look at the result, stop")
    up = commands.add_parser("up", help="run the whole importer until Ctrl-C")
    up.add_argument("--reload", action="store_true", help="restart what changes in the code")
    arguments = parser.parse_args()
    if arguments.command == "up":
        run_up(_say, reload=arguments.reload)
        return 0
    right = run_demo(_say)
    _say("All counts are right." if right else "Some counts are WRONG.")
    return 0 if right else 1


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
