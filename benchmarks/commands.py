"""Runs other programs and measures their memory."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.errors import BenchmarkError
from benchmarks.usage import peak_bytes
from local.processes import PROJECT

LOOK_EVERY = 0.02


@dataclass(frozen=True)
class Done:
    """A command that succeeded: its output, and its peak resident bytes."""

    output: str
    peak: int


def run(command: Sequence[str | Path], environment: Mapping[str, str]) -> Done:
    """Run a command. Raises BenchmarkError if it fails."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        peak = _watch(process)
        output.seek(0)
        done = Done(output.read(), peak)
    if process.returncode != 0:
        raise BenchmarkError(f"{command[0]} failed: {done.output}")
    return done


def module(name: str, *arguments: str | Path) -> list[str | Path]:
    """Return the command ``python -m name``."""
    return [sys.executable, "-m", name, *arguments]


def _watch(process: "subprocess.Popen[bytes]") -> int:
    watched = psutil.Process(process.pid)
    peak = 0
    while process.poll() is None:
        peak = max(peak, peak_bytes(watched))
        time.sleep(LOOK_EVERY)
    return peak
