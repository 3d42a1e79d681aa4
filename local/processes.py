"""The service and the workers as processes beside an embedded Supabase.

Each runs under the guard of embedded/: should this process die, they end too.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from embedded.processes import WATCHDOG

PROJECT: Final = Path(__file__).resolve().parent.parent
WORKERS: Final = (
    *("dramatiq", "tasks", "--processes", "2", "--threads", "4"),
    *("--worker-shutdown-timeout", "10000"),
)
STOP_SECONDS: Final = 45.0
"""What a process has to come to an end in order: longer than its own grace."""

_START_SECONDS: Final = 60.0
_LOOK_EVERY: Final = 0.05


class StartError(Exception):
    """A process did not come up; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Started:
    """A process of ours that runs, and where its output goes."""

    guard: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Process id of the command itself."""
        child: psutil.Process = psutil.Process(self.guard.pid).children()[0]
        return child.pid


def guarded(command: list[str]) -> list[str]:
    """``python -m <command>`` under guard: it ends when our end of its standard input does."""
    guard = [sys.executable, "-I", "-S", str(WATCHDOG), "--patience", str(STOP_SECONDS)]
    return [*guard, "--", sys.executable, "-m", *command]


def worker_environment(supabase: Mapping[str, str], metrics: Path, port: int) -> dict[str, str]:
    """The environment of the workers: their metrics on loopback, in a folder of their own."""
    metrics.mkdir(parents=True, exist_ok=True)
    return {
        **supabase,
        "dramatiq_prom_host": "127.0.0.1",
        "dramatiq_prom_port": str(port),
        "dramatiq_prom_db": str(metrics),
        "dramatiq_prom_lock": str(metrics / "lock"),
    }


@contextlib.contextmanager
def started(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[Started]:
    """Run ``python -m <command>`` with its output in ``log``; stop it in order at the end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        guard = subprocess.Popen(
            guarded(command),
            cwd=PROJECT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Started(guard, log)
    finally:
        guard.communicate()


@contextlib.contextmanager
def service(
    environment: Mapping[str, str], log: Path, *, module: str = "service"
) -> Iterator[tuple[str, Started]]:
    """The service on a free port, and its address once it listens; ``module`` may wrap it."""
    environment = {"HOST": "127.0.0.1", "PORT": "0", **environment}
    environment |= {"LOG_FORMAT": "json", "LOG_LEVEL": "info"}
    with started([module], environment, log) as process:
        yield _await_event(process, "listening")["url"], process


def _await_event(started: Started, event: str) -> dict[str, str]:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and started.guard.poll() is None:
        for line in started.log.read_text().splitlines():
            if f'"event": "{event}"' in line:
                found: dict[str, str] = json.loads(line)
                return found
        time.sleep(_LOOK_EVERY)
    raise StartError(f"{started.guard.args!r} did not start:\n{started.log.read_text()}")
