"""The commands that the documentation and the Procfile name."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import psutil
import pytest

from local.ports import free_port
from local.processes import PROJECT, started, worker_environment
from tests.acceptance.conftest import ENDED, Importer, procfile_lines
from tests.support.commands import Checkout, is_shown, shown_outputs
from tests.support.markdown import Document, documents
from tests.support.metrics_format import faults

NEEDED = ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "DATABASE_URL")
PATIENCE = 60
RUN = [one for one in documents() if any(block.is_run for block in one.blocks())]


def test_demo_exits_0_and_shows_right_counts() -> None:
    done = subprocess.run(
        ["make", "demo"], cwd=PROJECT, capture_output=True, text=True, timeout=110, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "100,000 records = 100,000 imported + 0 rejected" in done.stdout
    assert "12 records = 9 imported + 3 rejected" in done.stdout
    assert "100,009 rows in contacts" in done.stdout
    assert "make up" in done.stdout.partition("What to do next:")[2]


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
    assert procfile == {"web": ["deploy", "web"], "worker": ["deploy", "worker"]}
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
    assert list(faults(metrics)) == []
    assert _value(metrics, "contacts_importer_contacts_imported_total") == 60_000
    assert _value(metrics, 'contacts_importer_records_rejected_total{code="email_invalid"}') == 3


def test_the_web_line_of_the_procfile_asks_for_the_names_of_the_service(
    importer: Importer,
) -> None:
    """It listens where platforms expect it, so it must not start without the names."""
    variables, command = procfile_lines()["web"]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env=importer.environment(**variables, PORT="0"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert variables == {"HOST": "0.0.0.0"}
    assert done.returncode == 2
    assert done.stderr.startswith("ALLOWED_HOSTS is missing: ")


def test_the_steps_to_production_run(importer: Importer, tmp_path: Path) -> None:
    """Those of docs/deploy.md that can be tried here, with the embedded stack as the Supabase."""
    checkout = Checkout(tmp_path)
    settings = "".join(f"{name}={shlex.quote(importer.env[name])}\n" for name in NEEDED)
    (tmp_path / ".env").write_text(settings)
    named = "test_the_steps_to_production_run"
    blocks = Document.read("docs/deploy.md").blocks()
    script = "set -e\n" + "".join(one.text for one in blocks if one.noted("run by") == named)
    environment = {name: value for name, value in os.environ.items() if name not in NEEDED}

    done = subprocess.run(
        ["bash", "-c", script],
        cwd=checkout.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == "the database is up to date\n"


class Up:
    """``python -m local up`` in a checkout of its own, which is started again once it has ended."""

    def __init__(self, folder: Path) -> None:
        self.checkout = Checkout(folder)
        self.url = ""
        self.metrics = ""
        self.process: subprocess.Popen[bytes] | None = None
        self._log = folder / "up.log"

    def run(self) -> psutil.Process:
        """Start it unless it runs; returns once the service listens."""
        if self.process is None or self.process.poll() is not None:
            self._start()
        assert self.process is not None
        return psutil.Process(self.process.pid)

    def await_said(self, words: str) -> str:
        """The line with these words, once it is there."""
        deadline = time.monotonic() + PATIENCE
        while True:
            log = self._log.read_text()
            for line in log.splitlines():
                if words in line:
                    return line
            assert time.monotonic() < deadline, f"{words!r} is not in the log:\n{log}"
            time.sleep(0.05)

    def end(self) -> None:
        """Stop it in order, if it runs."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)

    def _start(self) -> None:
        port = free_port()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "local", "up"],
                cwd=self.checkout.folder,
                stdout=log,
                env={**os.environ, "PORT": str(port)},
            )
        self.await_said("Ctrl-C ends all of it")
        self.url = f"http://127.0.0.1:{port}"
        self.metrics = self.await_said("/metrics and ").rpartition(" ")[2].rstrip("/")
        _metrics(int(self.metrics.rpartition(":")[2]))


@pytest.fixture(scope="module")
def ups(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    up = Up(tmp_path_factory.mktemp("checkout"))
    yield up
    up.end()


@pytest.fixture
def up(ups: Up) -> Up:
    ups.run()
    return ups


@pytest.mark.parametrize("document", RUN, ids=[str(one.path) for one in RUN])
def test_the_commands_of_the_documentation_run_as_pasted(up: Up, document: Document) -> None:
    here = {"http://127.0.0.1:8000": up.url, "http://127.0.0.1:9191": up.metrics}

    outcomes = up.checkout.run(document, here)

    for outcome in outcomes:
        code = outcome.block.noted("exit code")
        expected = [int(code)] if code else []
        assert outcome.codes == expected, (outcome.block, outcome.output)
    output = {outcome.block.line: outcome.output for outcome in outcomes}
    for block, shown in shown_outputs(document):
        assert is_shown(output[block.line], shown), (shown.text, output[block.line])


def test_up_starts_a_killed_worker_again(up: Up) -> None:
    contacts = [{"name": f"P {n}"} for n in range(1000)]
    up.await_said("Worker process is ready")
    masters = [p for p in up.run().children(recursive=True) if _is_master(p)]
    masters[0].kill()
    up.await_said("it is started again")
    answer = httpx.post(f"{up.url}/import", json={"source": "up", "data": contacts})
    location = answer.headers["Location"]
    deadline = time.monotonic() + PATIENCE
    while (shown := httpx.get(up.url + location).json())["state"] not in ENDED:
        assert time.monotonic() < deadline, shown

    assert (shown["state"], shown["imported"]) == ("completed", 1000)


def test_up_ends_all_it_started_on_ctrl_c(up: Up) -> None:
    file = ("c.csv", b"name,email\nA,a@b.co\n", "text/csv")
    answer = httpx.post(f"{up.url}/import", data={"source": "up"}, files={"file": file})
    process = up.run()
    family = process.children(recursive=True)
    process.send_signal(signal.SIGINT)
    assert up.process is not None
    up.process.wait(PATIENCE)
    _, alive = psutil.wait_procs(family, timeout=PATIENCE)

    assert answer.status_code == 202
    assert up.process.returncode == 0
    assert alive == []


def test_up_leaves_nothing_behind_when_killed(up: Up) -> None:
    process = up.run()
    family = process.children(recursive=True)
    process.kill()
    _, alive = psutil.wait_procs(family, timeout=PATIENCE)

    assert len(family) > 5
    assert alive == []


def _is_master(process: psutil.Process) -> bool:
    command = process.cmdline()
    return (
        "dramatiq" in command
        and "parent_watchdog.py" not in " ".join(command)
        and bool(process.children())
    )


def _metrics(port: int) -> str:
    """Return the metrics of dramatiq's endpoint, which listens after the workers have started."""
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
