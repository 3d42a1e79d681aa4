"""Runs the service and the workers as processes, for an embedded Supabase.

Each runs under a watchdog of embedded/, so that it ends when this process does.
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
    *("dramatiq", "tasks", "--processes", "3", "--threads", "2"),
    *("--worker-shutdown-timeout", "10000"),
)
STOP_SECONDS: Final = 45.0
"""How long a process may take to stop: longer than its own grace period."""

_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05


class StartError(Exception):
    """A process did not start; the message has its output."""


@dataclass(frozen=True, slots=True)
class Started:
    """A running process under its watchdog, and the log with its output."""

    watchdog: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Process id of the command itself."""
        child: psutil.Process = psutil.Process(self.watchdog.pid).children()[0]
        return child.pid


def under_watchdog(command: list[str]) -> list[str]:
    """Return ``python -m <command>`` under a watchdog, which watches its standard input."""
    watchdog = [sys.executable, "-I", "-S", str(WATCHDOG), "--patience", str(STOP_SECONDS)]
    return [*watchdog, "--", sys.executable, "-m", *command]


def worker_environment(supabase: Mapping[str, str], metrics: Path, port: int) -> dict[str, str]:
    """Return the environment of the workers, with their metrics on loopback in ``metrics``."""
    metrics.mkdir(parents=True, exist_ok=True)
    return {
        **supabase,
        "dramatiq_prom_host": "127.0.0.1",
        "dramatiq_prom_port": str(port),
        "dramatiq_prom_db": str(metrics),
        "dramatiq_prom_lock": str(metrics / "lock"),
    }


@contextlib.contextmanager
def started(
    command: list[str], environment: Mapping[str, str], log: Path, *, folder: Path = PROJECT
) -> Iterator[Started]:
    """Run ``python -m <command>`` with its output in ``log``; stops it at the end of the block.

    ``folder`` has the code.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        watchdog = subprocess.Popen(
            under_watchdog(command),
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Started(watchdog, log)
    finally:
        watchdog.communicate()


@contextlib.contextmanager
def service(
    environment: Mapping[str, str], log: Path, *, module: str = "service", folder: Path = PROJECT
) -> Iterator[tuple[str, Started]]:
    """Run the service, or a ``module`` that wraps it, on a free port; gives its URL.

    ``folder`` has the code.
    """
    environment = {"HOST": "127.0.0.1", "PORT": "0", **environment}
    environment |= {"LOG_FORMAT": "json", "LOG_LEVEL": "info"}
    with started([module], environment, log, folder=folder) as process:
        yield _await_event(process, "listening")["url"], process


def _await_event(started: Started, event: str) -> dict[str, str]:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and started.watchdog.poll() is None:
        for line in started.log.read_text().splitlines():
            if f'"event": "{event}"' in line:
                found: dict[str, str] = json.loads(line)
                return found
        time.sleep(_POLL_SECONDS)
    raise StartError(f"{started.watchdog.args!r} did not start:\n{started.log.read_text()}")
