"""Each alert of deploy/monitoring/rules.yaml is fired by a real fault, in a real Prometheus.

The rules are those of an operator, but faster: they look back for seconds instead of minutes.
"""

import contextlib
import random
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from local.processes import PROJECT
from local.prometheus import PROGRAM, Prometheus, running_prometheus
from service.keys.api_key import make_key
from service.keys.scopes import Scope
from tests.chaos.data import make_data
from tests.chaos.stack import ImporterStack, running_importer_stack
from tests.chaos.supervised_process import SupervisedProcess, eventually
from tests.support.faults import FOR_EVER, PUT, READ, STORAGE, Answer, ForgeKey, rpc
from tests.support.service import running_service

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not shutil.which(PROGRAM), reason=f"needs {PROGRAM} on the PATH"),
]

FASTER = (
    (r"\bfor: \d+m\b", "for: 1s"),
    (r"\[\d+[mh]\]", "[12s]"),
    (r"> 300$", "> 3"),  # seconds that a message waits
    (r"> [13]\.5$", "> 0"),  # sweeps that fail
)
SECONDS = 120.0
"""How long an alert may take; some faults are noticed after UPSTREAM_DEADLINE, or by a sweep."""
CSV = b"name,email\nAda,ada@example.com\n"


@dataclass
class Watched:
    """An importer, and the Prometheus that watches it."""

    stack: ImporterStack
    prometheus: Prometheus

    @contextlib.contextmanager
    def firing(self, *alerts: str) -> Iterator[None]:
        """Assert that none of the alerts fires before the block, and that all do after it."""
        names = {f"ContactsImporter{alert}" for alert in alerts}
        assert not names & self.prometheus.firing()
        yield
        seen: set[str] = set()

        def have_fired() -> bool:
            seen.update(names & self.prometheus.firing())
            return seen == names

        eventually(have_fired, lambda: f"{names - seen} fire", SECONDS)

    def await_quiet(self) -> None:
        """Wait until the importer works, Prometheus has seen both jobs, and no alert fires."""
        self.stack.await_ready()
        # A counter that Prometheus sees first after it has grown has not grown for Prometheus.
        eventually(lambda: len(self.prometheus.query("up == 1")) == 2, "both jobs are up", SECONDS)
        eventually(lambda: not self.prometheus.firing(), self._still_firing, SECONDS)

    def _still_firing(self) -> str:
        return f"nothing fires: {self.prometheus.firing()}"

    def post(self, source: str = "alerts", **options: str) -> httpx.Response:
        """Send a small import."""
        return httpx.post(
            f"{self.stack.url}/import",
            params={"source": source, **options},
            content=CSV,
            headers={"Content-Type": "text/csv"},
            timeout=60,
        )

    def imported(self, **options: str) -> str:
        """Send a small import; return its job id once it is completed."""
        job = str(self.post(**options).raise_for_status().json()["jobId"])
        self.await_state(job, "completed")
        return job

    def await_state(self, job: str, state: str) -> None:
        url = f"{self.stack.url}/import/{job}"
        eventually(lambda: httpx.get(url).json()["state"] == state, f"{job} is {state}", SECONDS)


def metrics_address(workers: SupervisedProcess) -> str:
    return f"127.0.0.1:{workers._environment['dramatiq_prom_port']}"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("prometheus")
    with running_importer_stack() as stack:
        targets = {
            "contacts-importer-web": f"127.0.0.1:{stack.port}",
            "contacts-importer-worker": metrics_address(stack.workers),
        }
        with running_prometheus(folder, targets, rules=faster_rules(folder)) as prometheus:
            yield Watched(stack, prometheus)


def faster_rules(folder: Path) -> Path:
    text = (PROJECT / "deploy" / "monitoring" / "rules.yaml").read_text()
    for pattern, replacement in FASTER:
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        assert count, pattern
    path = folder / "rules.yaml"
    path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def quiet_before_and_after(watched: Watched) -> Iterator[None]:
    watched.await_quiet()
    yield
    watched.stack.proxy.clear_faults()


def test_the_service_is_gone(watched):
    with watched.firing("ServiceDown", "InstanceDown"):
        watched.stack.service.vanish()
    watched.stack.service.start()


def test_the_workers_are_gone(watched):
    workers = watched.stack.workers
    with watched.firing("WorkersDown", "InstanceDown", "QueueAgeHigh", "SweepsNotRunning"):
        workers.vanish()
        job = watched.post().json()["jobId"]
        watched.stack.query("update sweeps set begun_at = begun_at - interval '4 hours'")
    workers.start()
    watched.await_state(job, "completed")


def test_storage_is_unavailable(watched):
    watched.stack.proxy.inject(Answer(STORAGE, times=FOR_EVER))
    with watched.firing("NotReady", "UpstreamUnavailable", "UpstreamRetries", "ErrorRateHigh"):
        rng = random.Random(1)
        sent = [watched.stack.send_in_background(make_data(rng, records=9)) for _ in range(12)]
    assert {each.result().status for each in sent} == {503}


def test_storage_refuses_the_key(watched):
    watched.stack.proxy.inject(ForgeKey(PUT, times=FOR_EVER))
    with watched.firing("UpstreamRefuses"):
        assert watched.post().json()["code"] == "storage_refused"


def test_the_database_answers_nonsense(watched):
    job = watched.imported()
    json = {"Content-Type": "application/json"}
    watched.stack.proxy.inject(Answer(rpc("get_import"), status=200, headers=json, text='{"x": 1}'))
    with watched.firing("InternalErrors"):
        assert httpx.get(f"{watched.stack.url}/import/{job}").status_code == 500


def test_a_part_cannot_be_read(watched):
    watched.stack.proxy.inject(ForgeKey(READ, times=FOR_EVER))
    with watched.firing("PartsFailing"):
        watched.await_state(watched.post().json()["jobId"], "failed")


def test_a_foreign_key_keeps_contacts_from_being_undone(watched):
    job, query = watched.imported(source="referred"), watched.stack.query
    query("create table referring (contact uuid references contacts)")
    query("insert into referring select id from contacts where source = 'referred'")
    with watched.firing("UndosFailing"):
        httpx.delete(f"{watched.stack.url}/import/{job}").raise_for_status()
        watched.await_state(job, "undo_failed")
    query("drop table referring")
    httpx.delete(f"{watched.stack.url}/import/{job}").raise_for_status()
    watched.await_state(job, "undone")


def test_a_foreign_key_keeps_a_contact_from_being_erased(watched, tmp_path):
    key, stored = make_key("privacy", [Scope.ERASE])
    (tmp_path / "keys").write_text(stored.line)
    job, query = watched.imported(source="referred"), watched.stack.query
    query("create table referring (contact uuid references contacts)")
    query("insert into referring select id from contacts where source = 'referred'")
    # Only a service with keys erases: another one, for the same workers.
    with (
        running_service(watched.stack.settings, API_KEYS_FILE=str(tmp_path / "keys")) as keyed,
        watched.firing("ErasuresFailing"),
    ):
        headers = {"Authorization": f"Bearer {key}"}
        address = {"email": "ada@example.com"}
        asked = httpx.post(f"{keyed.url}/erasures", json=address, headers=headers)
        asked.raise_for_status()
    query("drop table referring")
    httpx.delete(f"{watched.stack.url}/import/{job}").raise_for_status()
    watched.await_state(job, "undone")


def test_a_receiver_of_webhooks_is_away_for_a_day(watched):
    with watched.firing("WebhooksGivenUp"):
        job = watched.imported(notify="http://127.0.0.1:9/")
        watched.stack.query(
            "update imports set finished_at = finished_at - interval '25 hours' where id = %s",
            job.removeprefix("import-"),
        )


def test_a_sweep_fails(watched):
    watched.stack.proxy.inject(Answer(rpc("queue_undos"), times=FOR_EVER))
    with watched.firing("SweepsFailing"):
        watched.stack.query("update sweeps set begun_at = begun_at - interval '1 minute'")


def test_messages_are_lost(watched):
    stack = watched.stack
    stack.workers.vanish()
    jobs = [watched.post().json()["jobId"] for _ in range(15)]
    up = watched.prometheus.query
    with watched.firing("ImportsQueuedAgain"):
        stack.query("delete from dramatiq.queue where state = 'queued'")
        # The sweep waits until Prometheus has seen the counters of the new workers.
        eventually(lambda: up("up == 0"), "the workers are down", SECONDS)
        stack.query("update sweeps set begun_at = clock_timestamp()")
        stack.workers.start()
        eventually(lambda: len(up("up == 1")) == 2, "both jobs are up", SECONDS)
        stack.query("update sweeps set begun_at = begun_at - interval '1 minute'")
    for job in jobs:
        watched.await_state(job, "completed")


def test_clients_hold_all_places_for_uploads(watched):
    head = (
        "POST /import?source=slow HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/csv\r\n"
        "Content-Length: 1000000\r\n\r\nname,email\n"
    )
    with contextlib.ExitStack() as sockets, watched.firing("UploadsAtLimit"):
        for _ in range(50):
            address = ("127.0.0.1", watched.stack.port)
            connection = sockets.enter_context(socket.create_connection(address))
            connection.sendall(head.encode())
