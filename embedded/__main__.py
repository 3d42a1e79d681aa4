"""``python -m embedded``: run the stack until SIGINT or SIGTERM."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import uvloop

from embedded.errors import StackError
from embedded.programs import WHEEL
from embedded.stack import Options, running_stack

logger = logging.getLogger("embedded")


def main() -> int:
    """Run the stack; returns the exit code, 1 if it could not start."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    arguments = _arguments()
    try:
        uvloop.run(_serve(_options(arguments), until_eof=arguments.until_eof))
    except (StackError, PermissionError) as error:
        logger.error("%s", error)  # noqa: TRY400 (a message for the user, no trace)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m embedded", description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(".embedded"), help="data folder, kept between runs"
    )
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument(
        "--port", type=int, help="port of the API; 0 for any (default: 54321 if free)"
    )
    parser.add_argument(
        "--postgres-port", type=int, help="port of Postgres; 0 for any (default: 54322 if free)"
    )
    parser.add_argument(
        "--migrations", type=Path, help="folder of migrations (default: the project's)"
    )
    parser.add_argument(
        "--postgres",
        default=os.environ.get("EMBEDDED_POSTGRES") or WHEEL,
        help="wheel, path (on the PATH, or Debian's) or the folder of the programs"
        " (default: EMBEDDED_POSTGRES, or wheel)",
    )
    parser.add_argument(
        "--seconds-per-gb",
        type=float,
        help="make Storage as slow as its file backend, which reads an object whole before it"
        " answers: so many seconds for each GB (default: 0)",
    )
    parser.add_argument("--until-eof", action="store_true", help="stop when stdin is closed")
    return parser.parse_args()


def _options(arguments: argparse.Namespace) -> Options:
    chosen = {
        name: value
        for name, value in vars(arguments).items()
        if value is not None and name != "until_eof"
    }
    return Options(**chosen)


async def _serve(options: Options, *, until_eof: bool) -> None:
    """Run the stack until a signal or the end of standard input, which also interrupt its start."""
    work = asyncio.create_task(_run(options))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    if until_eof:
        loop.add_reader(sys.stdin, _at_eof, work)
    await asyncio.wait([work])
    if not work.cancelled():
        work.result()


def _at_eof(work: "asyncio.Task[None]") -> None:
    if not os.read(sys.stdin.fileno(), 1):
        asyncio.get_running_loop().remove_reader(sys.stdin)
        work.cancel()


async def _run(options: Options) -> None:
    async with running_stack(options) as stack:
        logger.info("Supabase answers at %s; its keys are in %s.", stack.url, options.data / "env")
        logger.info("It runs on %s.", stack.postgres)
        await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
