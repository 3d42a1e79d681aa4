"""SIGTERM: workers requeue their parts quickly, and nothing is lost, even if Postgres hangs."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from local.ports import free_port
from local.processes import Started, started, worker_environment
from tests.acceptance.conftest import Importer

CONTACTS = [{"name": f"Person {n}", "email": f"p{n}@example.com"} for n in range(60_000)]
PART_BYTES = str(512 * 1024)
BOUND = 30.0
"""Seconds that platforms allow between SIGTERM and SIGKILL."""


@pytest.mark.parametrize("wait", [0.1, 1.0])
def test_stopped_workers_requeue_their_parts(
    importer: Importer, procfile: Mapping[str, list[str]], wait: float
) -> None:
    source = f"stopped-{wait}"
    jobs = [importer.post(CONTACTS, source=source) for _ in range(2)]
    with _workers(importer, procfile, f"stopped-{wait}") as workers:
        _await_begun(importer, jobs)
        time.sleep(wait)
        assert _stop(workers) == 0
        assert workers.seconds < 10

    left = """
        select max(cardinality(open_attempts)), count(*) filter (where state = 'importing')
        from import_parts p
    """
    ids = [job.removeprefix("import-") for job in jobs]
    ((attempts, importing),) = importer.query(
        f"{left} where state in ('queued', 'importing') and import_id = any(%s::uuid[])", ids
    )
    assert attempts in (0, None), "an orderly stop must not count as an attempt"
    assert importing == 0
    _is_complete(importer, jobs, source)


@pytest.mark.slow
def test_workers_stop_in_time_while_postgres_hangs(
    importer: Importer, procfile: Mapping[str, list[str]]
) -> None:
    jobs = [importer.post(CONTACTS, source="unavailable") for _ in range(2)]
    with _workers(importer, procfile, "unavailable") as workers:
        _await_begun(importer, jobs)
        with _frozen(_postmaster(importer)):
            time.sleep(1)
            code = _stop(workers)
        assert code in {0, 3}
        assert workers.seconds < BOUND
    _is_complete(importer, jobs, "unavailable")


class _Workers:
    def __init__(self, process: Started) -> None:
        self.process = process
        self.seconds = 0.0


@contextlib.contextmanager
def _workers(
    importer: Importer, procfile: Mapping[str, list[str]], name: str
) -> Iterator[_Workers]:
    folder = importer.folder / name
    environment = worker_environment(importer.env, folder / "metrics", free_port())
    with started(procfile["worker"], environment, folder / "log") as process:
        yield _Workers(process)


def _stop(workers: _Workers) -> int:
    started = time.monotonic()
    os.kill(workers.process.pid, signal.SIGTERM)
    code = workers.process.watchdog.wait(2 * BOUND)
    workers.seconds = time.monotonic() - started
    print(f"stopped in {workers.seconds:.1f} s, code {code}")
    return code


def _await_begun(importer: Importer, jobs: list[str]) -> None:
    deadline = time.monotonic() + BOUND
    while not any(importer.shown(job)["state"] == "importing" for job in jobs):
        assert time.monotonic() < deadline


def _is_complete(importer: Importer, jobs: list[str], source: str) -> None:
    assert importer.run("tasks", "--once").returncode == 0
    assert [importer.counts(job) for job in jobs] == [(len(CONTACTS), 0)] * len(jobs)
    sql = "select count(*), count(distinct id) from contacts where source = %s"
    assert importer.query(sql, source) == [(2 * len(CONTACTS),) * 2]


def _postmaster(importer: Importer) -> psutil.Process:
    ((path,),) = importer.query("select current_setting('data_directory')")
    return psutil.Process(int(Path(path, "postmaster.pid").read_text().splitlines()[0]))


@contextlib.contextmanager
def _frozen(process: psutil.Process) -> Iterator[None]:
    """Suspend a server: it neither answers nor closes connections."""
    family = [process, *process.children(recursive=True)]
    # A session that has lost its client may end meanwhile.
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.suspend()
    try:
        yield
    finally:
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.resume()
