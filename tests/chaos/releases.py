"""Releases of the importer, each in a folder of its own, and their processes on one Supabase."""

import contextlib
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from local.ports import free_port
from local.processes import PROJECT, WORKERS, Started, service, started, worker_environment

STOP_SECONDS = 60.0
PART_FINISHED = '"event": "part finished"'
ERROR = '"level": "error"'


@dataclass(frozen=True)
class Release:
    """The code of a release."""

    name: str
    folder: Path

    @property
    def migrations(self) -> Path:
        return self.folder / "supabase" / "migrations"


def this_release() -> Release:
    return Release("this", PROJECT)


def former_release(commit: str, folder: Path) -> Release | None:
    """Return a release in ``folder``, unpacked from the history; None if that does not have it."""
    known = subprocess.run(
        ["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=PROJECT, check=False,
        capture_output=True,
    )  # fmt: skip
    if known.returncode != 0:
        return None
    folder.mkdir()
    archived = folder.with_suffix(".tar")
    command = ["git", "archive", "--output", str(archived), commit]
    subprocess.run(command, cwd=PROJECT, check=True)
    with tarfile.open(archived) as archive:
        archive.extractall(folder, filter="data")
    return Release("former", folder)


@dataclass(frozen=True)
class Service:
    """A running service of a release."""

    url: str
    process: Started


@dataclass(frozen=True)
class Workers:
    """The running workers of a release, as on one machine."""

    process: Started

    def parts(self) -> int:
        """Return how many parts they have finished, by their log."""
        return self.process.log.read_text().count(PART_FINISHED)

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Let them do nothing inside the block."""
        processes = [psutil.Process(self.process.pid)]
        processes += processes[0].children(recursive=True)
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()


@contextlib.contextmanager
def running_service(release: Release, settings: Mapping[str, str], logs: Path) -> Iterator[Service]:
    log = logs / f"service-{release.name}.log"
    environment = {**settings, "PYTHONPATH": str(release.folder)}
    with service(environment, log, folder=release.folder) as (url, process):
        yield Service(url, process)


@contextlib.contextmanager
def running_workers(release: Release, settings: Mapping[str, str], logs: Path) -> Iterator[Workers]:
    environment = worker_environment(settings, logs / f"metrics-{release.name}", free_port())
    environment |= {"PYTHONPATH": str(release.folder), "LOG_FORMAT": "json"}
    log = logs / f"workers-{release.name}.log"
    with started(list(WORKERS), environment, log, folder=release.folder) as process:
        yield Workers(process)


def stop(process: Started) -> int:
    """Send SIGTERM, and return the exit code."""
    os.kill(process.pid, signal.SIGTERM)
    return process.watchdog.wait(STOP_SECONDS)


def errors(logs: Path) -> list[str]:
    """Return the lines of all logs about errors."""
    texts = [path.read_text(errors="replace") for path in sorted(logs.glob("*.log"))]
    return [line for text in texts for line in text.splitlines() if ERROR in line]
