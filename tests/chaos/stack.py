"""A complete importer to inject faults into: Supabase behind proxies, the service, workers."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg2

from embedded.launch import Stack, running
from local.ports import free_port
from local.processes import PROJECT, WORKERS, worker_environment
from tests.chaos.data import ENDINGS, Data
from tests.chaos.supervised_process import SupervisedProcess, eventually, kill
from tests.chaos.tcp_proxy import TcpProxy
from tests.support.faults import CONTACTS, COUNTS, END_PART, READ, Hold, Requests
from tests.support.proxy import Proxy

SETTINGS = {
    "PART_BYTES": str(256 * 1024),
    "BATCH_RECORDS": "100",
    "UPSTREAM_DEADLINE": "6",
    "SHUTDOWN_GRACE": "10",
    "LOG_FORMAT": "json",
    "PYTHONFAULTHANDLER": "1",
    "WEBHOOK_SECRET": f"whsec_{b64encode(bytes(32)).decode()}",
    "WEBHOOK_ALLOW_PRIVATE": "true",
}
"""Small values, so that a small import has many parts and a 503 comes soon."""


@dataclass(frozen=True)
class Sent:
    """One request and its answer; the status is 0 if the connection broke without an answer."""

    data: Data
    status: int
    job: str = ""
    text: str = ""

    @property
    def import_id(self) -> str:
        return self.job.removeprefix("import-")


class ImporterStack:
    """The importer and the faults that can be injected into it."""

    def __init__(
        self,
        env: Stack,
        proxy: Proxy,
        tcp_proxy: TcpProxy,
        folder: Path,
        data_folder: Path,
        writer: str,
    ) -> None:
        self.env = env
        self.proxy = proxy
        self.tcp_proxy = tcp_proxy
        self.data_folder = data_folder
        self.writer = writer
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        url = urlsplit(env["DATABASE_URL"])
        database = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{tcp_proxy.port}")
        self.settings: Mapping[str, str] = {
            **env,
            **SETTINGS,
            "CONTACTS_WRITER": writer,
            "SUPABASE_URL": proxy.url,
            "DATABASE_URL": database.geturl(),
        }
        web = {**self.settings, "HOST": "127.0.0.1", "PORT": str(self.port)}
        self.service = SupervisedProcess(["service"], web, folder / "service.log")
        self.workers = self.machine("workers")
        self._senders = ThreadPoolExecutor(16)

    @property
    def writes(self) -> tuple[Requests, bytes]:
        """The requests of a worker while it writes, and a text in them; with COPY, its reads."""
        return (CONTACTS if self.writer == "postgrest" else READ), b""

    @property
    def ends(self) -> tuple[Requests, bytes]:
        """The requests of a worker that end a part, and a text in them."""
        return (END_PART, COUNTS) if self.writer == "postgrest" else (READ, b"")

    def machine(self, name: str, **settings: str) -> SupervisedProcess:
        """Return another machine with workers, which the caller starts and stops."""
        environment = worker_environment(
            {**self.settings, **settings}, self._folder / f"metrics-{name}", free_port()
        )
        return SupervisedProcess(list(WORKERS), environment, self._folder / f"{name}.log")

    @contextlib.contextmanager
    def running(self) -> Iterator["ImporterStack"]:
        self.service.start()
        self.workers.start()
        try:
            self.await_ready()
            yield self
        finally:
            self.proxy.clear_faults()
            self.tcp_proxy.clear_faults()
            self.workers.stop()
            self.service.stop()
            self._senders.shutdown()

    def send(self, data: Data, key: str = "", notify: str = "") -> Sent:
        """Send a data set as a client does, in pieces, with ``key`` as its Idempotency-Key."""
        options = {"notify": notify} if notify else {}
        pieces = (data.body[at : at + 65536] for at in range(0, len(data.body), 65536))
        try:
            with httpx.Client(base_url=self.url, timeout=120) as http:
                answer = http.post(
                    "/import",
                    params=options | ({"source": data.source} if data.ending == "csv" else {}),
                    content=pieces,
                    headers={
                        "Content-Type": ENDINGS[data.ending],
                        **({"Idempotency-Key": f'"{key}"'} if key else {}),
                    },
                )
        except httpx.TransportError:
            return Sent(data, 0)
        job = answer.json()["jobId"] if answer.status_code == 202 else ""
        return Sent(data, answer.status_code, job, answer.text)

    def send_in_background(self, data: Data) -> "Future[Sent]":
        return self._senders.submit(self.send, data)

    def ready(self) -> httpx.Response | None:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=30)
        except httpx.TransportError:
            return None

    def await_ready(self) -> None:
        last: list[str] = []

        def is_ready() -> bool:
            answer = self.ready()
            last[:] = ["no answer"] if answer is None else [answer.text]
            return answer is not None and answer.status_code == 200

        eventually(is_ready, lambda: f"the service is ready: {last[0]}")

    def sweep(self) -> bool:
        """Run a sweep that removes what is older than a second; returns whether it succeeded."""
        self.query("update unfinished_uploads set seen_at = seen_at - interval '1 hour'")
        settings = {**self.env, "UPSTREAM_DEADLINE": "0.5", "SWEEP_AFTER": "1"}
        command = [sys.executable, "-m", "tasks", "--sweep"]
        done = subprocess.run(
            command, cwd=PROJECT, env={**os.environ, **settings}, capture_output=True, check=False
        )
        return done.returncode == 0

    def requesting_process(self, hold: Hold) -> psutil.Process:
        """Return the process whose request is held."""
        for supervised in (self.workers, self.service):
            if (found := process_at(supervised, hold.peer)) is not None:
                return found
        raise AssertionError(f"no process has port {hold.peer}")

    def postmaster(self) -> psutil.Process | None:
        """Return the main process of Postgres if it runs."""
        return self._below("postgres")

    def postgrest(self) -> psutil.Process | None:
        return self._below("postgrest")

    def _below(self, name: str) -> psutil.Process | None:
        for child in psutil.Process(self.env.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.name().startswith(name) and not child.parent().name().startswith(name):
                    return child
        return None

    def kill_postgres(self, number: signal.Signals = signal.SIGKILL) -> None:
        process = eventually(self.postmaster, "Postgres runs")
        os.kill(process.pid, number)
        psutil.wait_procs([process], 30)

    def kill_postgrest(self) -> None:
        process = eventually(self.postgrest, "PostgREST runs")
        kill(process.pid)
        psutil.wait_procs([process], 30)

    @contextlib.contextmanager
    def without_postgres(self) -> Iterator[None]:
        """Keep Postgres down inside the block: each new process is killed at once."""
        back = threading.Event()

        def keep_down() -> None:
            while not back.wait(0.02):
                if (process := self.postmaster()) is not None:
                    kill(process.pid)

        thread = threading.Thread(target=keep_down)
        thread.start()
        try:
            yield
        finally:
            back.set()
            thread.join()

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Query Postgres directly; retries while it is down."""

        def tried() -> list[list[tuple[Any, ...]]]:
            try:
                return [self._query(sql, values)]
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                return []

        found: list[list[tuple[Any, ...]]] = eventually(tried, "Postgres answers")
        return found[0]

    def _query(self, sql: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with (
            contextlib.closing(psycopg2.connect(self.env["DATABASE_URL"])) as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else []

    def storage(self, method: str, path: str, **more: Any) -> httpx.Response:
        key = self.env["SUPABASE_SERVICE_ROLE_KEY"]
        headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        url = f"{self.env['SUPABASE_URL']}/storage/v1{path}"
        return httpx.request(method, url, headers=headers, timeout=60, **more).raise_for_status()

    def objects(self) -> set[str]:
        names: set[str] = set()
        while True:
            query = {
                "prefix": "",
                "limit": 1000,
                "offset": len(names),
                "sortBy": {"column": "name", "order": "asc"},
            }
            page = self.storage("POST", "/object/list/imports", json=query).json()
            names |= {entry["name"] for entry in page}
            if len(page) < 1000:
                return names

    def uploads(self) -> set[str]:
        """Return the resumable uploads that were neither finished nor cancelled."""
        folder = self.data_folder / "storage" / "uploads"
        # The service does not know an empty one if the answer to its creation was lost. Such an
        # upload cannot be cancelled; Storage removes it after a day.
        return {path.name for path in folder.glob("*.bytes") if path.stat().st_size > 0}

    def half_stored(self) -> set[str]:
        """Return files with bytes that belong to no object."""
        folder = self.data_folder / "storage"
        bytes_there = {path.name for path in folder.glob("buckets/*/bytes/*")}
        records = folder.glob("buckets/*/objects/*.json")
        known = {json.loads(path.read_text("utf-8"))["version"] for path in records}
        return (bytes_there - known) | {path.name for path in folder.glob("arrivals/*")}

    def logs(self) -> str:
        """Return the ends of all logs, with the stacks of the workers' threads."""
        for pid in self.workers.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGABRT)  # makes faulthandler print
        tails = []
        for path in sorted([*self._folder.glob("*.log"), *self.data_folder.glob("logs/*.log")]):
            lines = path.read_text(errors="replace").splitlines()[-200:]
            tails += [f"--- {path.name}", *(line[:400] for line in lines)]
        return "\n".join(tails)


def process_at(supervised: SupervisedProcess, port: int) -> psutil.Process | None:
    """Return the process that has a connection from this local port."""
    for pid in supervised.pids():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if any(c.laddr and c.laddr.port == port for c in process.net_connections("tcp")):
                return process
    return None


@contextlib.contextmanager
def running_importer_stack(
    writer: str = "postgrest", *, host: str = "127.0.0.1"
) -> Iterator[ImporterStack]:
    """Run an importer on new folders until the end of the block."""
    with contextlib.ExitStack() as exit_stack:
        folder = Path(tempfile.mkdtemp(prefix="chaos-"))
        exit_stack.callback(shutil.rmtree, folder, ignore_errors=True)
        data = folder / "data"
        env = exit_stack.enter_context(running(data, host=host))
        proxy = exit_stack.enter_context(Proxy(env["SUPABASE_URL"]).running())
        postgres = urlsplit(env["DATABASE_URL"]).port
        assert postgres
        tcp_proxy = exit_stack.enter_context(TcpProxy(host, postgres).running())
        yield exit_stack.enter_context(
            ImporterStack(env, proxy, tcp_proxy, folder, data, writer).running()
        )


def seeded_random(seed: str) -> random.Random:
    """Return a generator of random numbers that is the same for the same seed."""
    return random.Random(seed)
