"""``make up`` and ``make dev``: the complete importer in the foreground until Ctrl-C."""

import asyncio
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from embedded.launch import postgres_version, running
from local.ports import free_port
from local.processes import WORKERS, worker_environment
from local.supervisor import Program, supervise

DATA: Final = Path(".embedded")

_POLL_SECONDS: Final = 0.2

_BANNER: Final = """\
  service    {url}
  Supabase   {supabase}
  Postgres   {postgres}; its address and all keys are in {env}
  metrics    {url}/metrics and http://127.0.0.1:{metrics}/

Try it:
  curl -F source=try -F file=@local/sample.csv {url}/import

Ctrl-C ends all of it.
"""


def run_up(say: Callable[[str], None], *, reload: bool) -> None:
    """Run Supabase, the service and the workers until SIGINT or SIGTERM."""
    say("Starting Supabase ...")
    with running(DATA, port=None, postgres_port=None) as supabase:
        port, metrics = free_port(int(os.environ.get("PORT", "8000"))), free_port(9191)
        addresses = {
            "supabase": supabase["SUPABASE_URL"],
            "postgres": postgres_version(supabase["DATABASE_URL"]),
            "env": DATA / "env",
            "metrics": metrics,
        }
        banner = _BANNER.format(url=f"http://127.0.0.1:{port}", **addresses)
        common = {**supabase, "LOG_FORMAT": "console" if sys.stdout.isatty() else "json"}
        web = {**common, "HOST": "127.0.0.1", "PORT": str(port)}
        workers = worker_environment(common, (DATA / "metrics").resolve(), metrics)
        programs = [
            Program("web", _command(["service"], "service", reload=reload), web),
            Program("worker", _command(list(WORKERS), "tasks", reload=reload), workers),
        ]
        asyncio.run(_supervise(programs, say, port, banner))
    say("All ended.")


async def _supervise(
    programs: list[Program], say: Callable[[str], None], port: int, banner: str
) -> None:
    announcing = asyncio.create_task(_announce(port, banner, say))
    await supervise(programs, say)
    announcing.cancel()


async def _announce(port: int, banner: str, say: Callable[[str], None]) -> None:
    """Print the banner when the service listens."""
    while True:
        try:
            _, connection = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(_POLL_SECONDS)
        else:
            connection.close()
            say(banner)
            return


def _command(module: list[str], folder: str, *, reload: bool) -> list[str]:
    if not reload:
        return module
    command = shlex.join([sys.executable, "-m", *module])
    return ["watchfiles", "--filter", "python", command, folder, "config"]
