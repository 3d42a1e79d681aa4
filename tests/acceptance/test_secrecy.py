"""Keys and passwords are in no output, and internals in no answer, whatever goes wrong.

The real processes at their most talkative: console, debug level, with a Supabase that quotes the
key it was sent.
"""

import contextlib
import json
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import psutil
import pytest

from core.job_view import advice
from local.ports import free_port
from local.processes import Started, started, worker_environment
from tests.acceptance.conftest import ENDED, Importer
from tests.support.contacts import MIB, envelope, json_array
from tests.support.leaky_upstream import (
    FORGED,
    INTERNALS,
    LeakyAnswer,
    LeakyUpstream,
    running_leaky_upstream,
)

WORKER = ["dramatiq", "tasks", "--processes", "1", "--threads", "2"]
TALKATIVE = {"LOG_LEVEL": "debug", "LOG_FORMAT": "console", "UPSTREAM_DEADLINE": "1"}
WRONG_KEY = "sb_secret_wrong_key_of_nobody"
CONTACTS = [{"name": "Ada", "email": "ada@example.com"}]
NO_JSON, NO_OBJECT = b"<html>by order of the upstream</html>", b"[1]"
PATIENCE = 60


@dataclass
class Watched:
    """The importer, with all of its output."""

    upstream: LeakyUpstream
    http: httpx.Client
    workers_metrics: str
    processes: list[Started]
    answers: list[httpx.Response] = field(default_factory=list)

    def ask(self, method: str, path: str, **more: object) -> httpx.Response:
        answer = self.http.request(method, path, **more)  # type: ignore[arg-type]
        self.answers.append(answer)
        return answer

    def post(self, **more: object) -> httpx.Response:
        return self.ask("POST", "/import", json={"source": "secrecy", "data": CONTACTS}, **more)

    def post_large(self) -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        return self.ask("POST", "/import", content=LARGE, headers=headers)

    def ended(self, accepted: httpx.Response) -> dict[str, object]:
        deadline = time.monotonic() + PATIENCE
        while (shown := self.ask("GET", accepted.headers["Location"]).json()).get(
            "state"
        ) not in ENDED:
            assert time.monotonic() < deadline, shown
        return shown

    @contextlib.contextmanager
    def leaking(self, *leaky_answers: LeakyAnswer) -> Iterator[None]:
        before = self.upstream.leaky_answers
        self.upstream.leaky_answers = [*before, *leaky_answers]
        yield
        self.upstream.leaky_answers = before

    def logs(self) -> str:
        return "".join(process.log.read_text() for process in self.processes)

    def output(self) -> str:
        """Return the answers to clients."""
        metrics = httpx.get(self.workers_metrics).text + self.ask("GET", "/metrics").text
        return metrics + "".join(f"{one.headers!r} {one.text}" for one in self.answers)


LARGE = envelope(json_array(7 * MIB)[:-1] + b",17]")
"""Two parts; the second one has a rejection, so ``finish_part`` ends it."""


@pytest.fixture(scope="module")
def watched(embedded_env: Mapping[str, str]) -> Iterator[Watched]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(running_leaky_upstream(embedded_env["SUPABASE_URL"]))
        upstream.leaky_answers = [
            LeakyAnswer("/rest/v1/rpc/begin_sweep", 200, b"0", times=1),
            LeakyAnswer("/rest/v1/rpc/lost_imports", 200, NO_OBJECT, times=1),
        ]
        env = {**embedded_env, **TALKATIVE, "SUPABASE_URL": upstream.url}
        port, metrics = free_port(), free_port()
        web = stack.enter_context(
            started(["service"], env | {"PORT": str(port)}, folder / "service.log")
        )
        worker = stack.enter_context(
            started(WORKER, worker_environment(env, folder / "metrics", metrics), folder / "w.log")
        )
        http = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))
        await_answer(f"http://127.0.0.1:{port}/healthz")
        await_answer(f"http://127.0.0.1:{metrics}/metrics")
        yield Watched(upstream, http, f"http://127.0.0.1:{metrics}/metrics", [web, worker])


def await_answer(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            httpx.get(url).raise_for_status()
        except httpx.TransportError:
            assert time.monotonic() < deadline
        else:
            return


def secrets_of(env: Mapping[str, str]) -> set[str]:
    password = urlsplit(env["DATABASE_URL"]).password
    assert password
    key = env["SUPABASE_SERVICE_ROLE_KEY"]
    return {key, key.rpartition(".")[2], env["DATABASE_URL"], password, unquote(password)}


FAULTS = {
    "storage forbids": ([LeakyAnswer("/storage/v1/object", 403)], 500),
    "storage is broken": ([LeakyAnswer("/storage/v1/object", 500)], 503),
    "storage wants less": ([LeakyAnswer("/storage/v1/object", 413)], 413),
    "database forbids": ([LeakyAnswer("/rest/v1/", 401)], 500),
    "database is broken": ([LeakyAnswer("/rest/v1/", 500)], 503),
    "database answers without JSON": ([LeakyAnswer("/rest/v1/", 502, NO_JSON)], 503),
}


@pytest.mark.parametrize(("leaky_answers", "status"), FAULTS.values(), ids=FAULTS)
def test_answers_contain_no_internals(watched: Watched, leaky_answers, status) -> None:
    with watched.leaking(*leaky_answers):
        answer = watched.post()
        ready = watched.ask("GET", "/readyz")
        shown = watched.ask("GET", "/import/import-01890000-0000-7000-8000-000000000000")
    assert answer.status_code == status, answer.text
    for each in (answer, ready, shown):
        assert [words for words in INTERNALS if words in each.text] == []
        assert FORGED not in each.text


def test_unexpected_errors_are_only_in_the_log(watched: Watched) -> None:
    known = "/import/import-01890000-0000-7000-8000-000000000000"
    with watched.leaking(LeakyAnswer("/rest/v1/rpc/list_imports", 200, NO_OBJECT)):
        assert watched.ask("GET", "/import").json()["code"] == "internal_error"
    with watched.leaking(LeakyAnswer("/rest/v1/rpc/get_import", 200, NO_OBJECT)):
        assert watched.ask("GET", known).json()["code"] == "internal_error"
    log = watched.processes[0].log.read_text()
    assert log.count("unexpected error") == 2
    assert "TypeError" in log


def test_a_failed_import_shows_no_internals_of_storage(watched: Watched) -> None:
    with watched.leaking(LeakyAnswer("/storage/v1/object/imports/import-", 403)):
        # Only reading is spoiled: the upload is resumable.
        accepted = watched.post_large()
        shown = watched.ended(accepted)
    assert shown["state"] == "failed"
    assert shown["failure"] == {
        "code": "storage_refused",
        "detail": "The storage rejected a request of this import (403); "
        "ask the operator to look into it.",
        "part": 1,
        "advice": advice("storage_refused"),
    }


def test_workers_survive_invalid_answers(watched: Watched) -> None:
    leaky_answers = [
        LeakyAnswer("/rest/v1/rpc/start_import", 200, NO_OBJECT, times=1),
        LeakyAnswer("/rest/v1/rpc/start_part", 200, NO_OBJECT, times=1),
        LeakyAnswer("/rest/v1/rpc/write_contacts", 200, NO_JSON, times=1),
        LeakyAnswer("/rest/v1/rpc/finish_part", 500, times=1),
    ]
    with watched.leaking(*leaky_answers):
        assert watched.ended(watched.post_large())["state"] == "completed"
    assert [answer.times for answer in leaky_answers] == [0] * len(leaky_answers)
    log = watched.processes[1].log.read_text()
    assert "message failed: unexpected error" in log
    assert "sweep failed: unexpected error" in log


def test_run_once_prints_no_password(watched: Watched, importer: Importer) -> None:
    url = urlsplit(importer.env["DATABASE_URL"])
    wrong = f"{url.username}:wrong_password@{url.hostname}:{url.port}"
    closed_port = f"{url.username}:wrong_password@{url.hostname}:{free_port()}"
    for netloc in (wrong, closed_port):
        address = url._replace(netloc=netloc).geturl()
        done = importer.run("tasks", "--once", **TALKATIVE, DATABASE_URL=address)
        assert done.returncode == 3
        assert "database cannot be reached" in done.stderr
        assert "wrong_password" not in done.stdout + done.stderr


def test_sweep_prints_no_wrong_key(watched: Watched, importer: Importer) -> None:
    settings = {**TALKATIVE, "SUPABASE_SERVICE_ROLE_KEY": WRONG_KEY}
    with watched.leaking(LeakyAnswer("/storage/v1/", 403)):
        done = importer.run("tasks", "--sweep", **settings, SUPABASE_URL=watched.upstream.url)
    assert done.returncode == 3
    assert "sweep interrupted" in done.stderr
    assert WRONG_KEY not in done.stdout + done.stderr


def test_an_unexpected_end_is_logged_without_secrets(watched: Watched, importer) -> None:
    settings = {**TALKATIVE, "LOG_FORMAT": "json", "SUPABASE_URL": watched.upstream.url}
    with watched.leaking(LeakyAnswer("/rest/v1/rpc/lost_imports", 200, NO_OBJECT)):
        done = importer.run("tasks", "--sweep", **settings)
    assert done.returncode == 1
    last = json.loads(done.stderr.splitlines()[-1])
    assert (last["event"], last["level"]) == ("uncaught exception", "critical")


def test_no_secret_in_any_output(watched: Watched, embedded_env) -> None:
    """After all tests above, and a successful import."""
    assert watched.ended(watched.post())["state"] == "completed"
    commands = [
        " ".join(process.cmdline())
        for one in watched.processes
        for process in psutil.Process(one.watchdog.pid).children(recursive=True)
    ]
    logs = watched.logs()
    for secret in secrets_of(embedded_env):
        assert secret not in logs
        assert secret not in watched.output()
        assert secret not in "\n".join(commands)
    assert "[secret]" in logs
    assert "[debug" in logs


BROKEN = [
    b"GET /\x1b[2J HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x1b]0;x\x07\xe2\x80\xae / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX\x9b2J: \x00\x1b[2J\r\n\r\n",
    b"GET / HTTP/1.1\rHost: localhost\r\n 2026-01-01T00:00:00Z [info     ] forged\r\n\r\n",
    b"POST /import HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\x1b[2J\r\n\r\n",
]


def test_no_forged_line_in_any_log(watched: Watched) -> None:
    """Including malformed HTTP requests, which aiohttp itself logs."""
    url = watched.http.base_url
    for head in BROKEN:
        with socket.create_connection((url.host, url.port), timeout=PATIENCE) as wire:
            wire.sendall(head)
            assert wire.recv(65536).startswith(b"HTTP/1.")
    lines = watched.logs().split("\n")
    assert [line for line in lines if not line.isprintable()] == []
    assert [line for line in lines if line.startswith(FORGED)] == []
