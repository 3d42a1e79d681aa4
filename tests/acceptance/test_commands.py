"""The commands that the README and the Procfile name."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import psutil
import pytest

from local.ports import free_port
from local.processes import PROJECT, started, worker_environment
from tests.acceptance.conftest import ENDED, Importer

NEEDED = ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "DATABASE_URL")
PATIENCE = 60


def test_demo_exits_0_and_shows_right_counts() -> None:
    done = subprocess.run(
        ["make", "demo"], cwd=PROJECT, capture_output=True, text=True, timeout=110, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "100,000 records = 100,000 imported + 0 rejected" in done.stdout
    assert "12 records = 8 imported + 4 rejected" in done.stdout
    assert "100,008 rows in contacts" in done.stdout


def test_help_lists_every_target() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert targets is not None

    shown = subprocess.run(
        ["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True
    )

    for target in targets[1].split():
        assert f"make {target} " in shown.stdout


@pytest.mark.parametrize(
    "command", [["service"], ["tasks", "--once"], ["dramatiq", "tasks", "--processes", "1"]]
)
def test_missing_settings_end_the_process_with_a_line_for_each(command: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in NEEDED}

    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    for name in NEEDED:
        assert done.stderr.count(f"{name} is missing") == 1


def test_nonsensical_settings_are_told_and_the_key_is_not(importer: Importer) -> None:
    done = importer.run(
        "service", PORT="http", SUPABASE_URL="ftp://x", DATABASE_URL="postgres://u:pw@h:6543/p"
    )

    lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert [line.split()[0].rstrip(":") for line in lines] == [
        "SUPABASE_URL",
        "DATABASE_URL",
        "PORT",
    ]
    assert importer.env["SUPABASE_SERVICE_ROLE_KEY"] not in done.stderr
    assert "pw" not in done.stderr


def test_a_taken_port_is_told_in_a_line(importer: Importer) -> None:
    done = importer.run("service", PORT=str(importer.http.base_url.port))

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Cannot listen on 127.0.0.1:")


def test_the_procfile_commands_import_and_count(
    importer: Importer, procfile: Mapping[str, list[str]]
) -> None:
    assert procfile["web"] == ["python", "-m", "service"]
    port = free_port()
    environment = worker_environment(importer.env, importer.folder / "metrics", port)
    contacts = [{"name": f"P {n}", "email": f"p{n}@example.com"} for n in range(20_000)]
    importer.run("tasks", "--once")  # what other tests have left on the queue is not counted

    with started(procfile["worker"], environment, importer.folder / "workers.log"):
        jobs = [importer.post([*contacts, {"email": "bad"}]) for _ in range(3)]
        for job in jobs:
            _await_end(importer, job)
        metrics = _metrics(port)

    assert [importer.counts(job) for job in jobs] == [(20_000, 1)] * 3
    assert _value(metrics, "contacts_imported_total") == 60_000
    assert _value(metrics, 'contacts_rejected_total{code="email_invalid"}') == 3


def test_up_ends_all_it_started_on_ctrl_c(tmp_path: Path) -> None:
    with _up(tmp_path) as (process, url):
        answer = httpx.post(
            f"{url}/import",
            data={"source": "up"},
            files={"file": ("c.csv", b"name,email\nA,a@b.co\n", "text/csv")},
        )
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        _, alive = psutil.wait_procs(family, timeout=PATIENCE)

    assert answer.status_code == 202
    assert process.returncode == 0
    assert alive == []


def test_up_leaves_nothing_behind_when_killed(tmp_path: Path) -> None:
    with _up(tmp_path) as (process, _):
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        _, alive = psutil.wait_procs(family, timeout=PATIENCE)

    assert len(family) > 5
    assert alive == []


def test_up_starts_a_killed_worker_again(tmp_path: Path) -> None:
    with _up(tmp_path) as (process, url):
        contacts = [{"name": f"P {n}"} for n in range(1000)]
        _await_said(process, "Worker process is ready")
        masters = [p for p in psutil.Process(process.pid).children(recursive=True) if _is_master(p)]
        masters[0].kill()
        _await_said(process, "it is started again")
        answer = httpx.post(f"{url}/import", json={"source": "up", "data": contacts})
        location = answer.headers["Location"]
        deadline = time.monotonic() + PATIENCE
        while (shown := httpx.get(url + location).json())["state"] not in ENDED:
            assert time.monotonic() < deadline, shown

    assert (shown["state"], shown["imported"]) == ("completed", 1000)


def _is_master(process: psutil.Process) -> bool:
    command = process.cmdline()
    return (
        "dramatiq" in command
        and "parent_watchdog.py" not in " ".join(command)
        and bool(process.children())
    )


def _await_said(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    assert any(words in line for line in process.stdout), f"{words!r} was not said"


class _up:  # noqa: N801 -- reads as the command it runs
    """``python -m local up`` in a folder of its own; entered once the service listens."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> tuple[subprocess.Popen[str], str]:
        port = free_port()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local", "up"],
            cwd=self._folder,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PROJECT), "PORT": str(port)},
            text=True,
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "Ctrl-C ends all of it" in line:
                return self._process, f"http://127.0.0.1:{port}"
        raise AssertionError("".join(said))

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=PATIENCE)


def _metrics(port: int) -> str:
    """What dramatiq's endpoint says; it starts listening after the workers have begun."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/metrics").text
        except httpx.ConnectError:
            assert time.monotonic() < deadline


def _await_end(importer: Importer, job: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while importer.shown(job)["state"] not in ENDED:
        assert time.monotonic() < deadline, importer.shown(job)


def _value(metrics: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", metrics, re.MULTILINE)
    assert found is not None, f"{name} is not in:\n{metrics}"
    return float(found[1])
