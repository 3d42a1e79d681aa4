"""``python -m local demo`` and ``python -m local up [--reload]``."""

import argparse
import sys
from typing import Final

from local.demo import run_demo
from local.up import run_up

_NEXT: Final = """\
All counts are right. All that this has made is gone again, but the installed packages.

What to do next:
  make up           runs all of it until Ctrl-C: drop a file of yours on http://127.0.0.1:8000/
  docs/files.md     has the exports of other programs that are understood
  docs/deploy.md    has the way to production with your Supabase project
"""


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
    _say(_NEXT if right else "Some counts are WRONG.")
    return 0 if right else 1


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
