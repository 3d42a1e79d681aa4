"""What the workers' metrics are, and that a silent client does not keep others out."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tasks.queue.message_metrics import MessageMetrics
from tasks.queue.metrics_server import MetricsServer
from tests.support.metrics_format import faults, names

WORKER = """
from types import SimpleNamespace
from dramatiq.middleware import prometheus
from tasks.queue.message_metrics import MessageMetrics

middleware = MessageMetrics()
middleware.after_process_boot(None)
for number, error in enumerate((None, None, ValueError())):
    message = SimpleNamespace(message_id=number, queue_name="imports", actor_name="import_part")
    middleware.before_process_message(None, message)
    middleware.after_process_message(None, message, exception=error)
middleware.after_process_message(None, message)  # it was skipped: nothing is counted
"""
COUNTED = 'contacts_importer_messages_total{actor="import_part",outcome="%s",queue="imports"} %s'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The metrics of two worker processes that have ended, and of this process's family."""
    folder = tmp_path_factory.mktemp("metrics")
    for _ in range(2):
        environment = {**os.environ, "dramatiq_prom_db": str(folder)}
        subprocess.run([sys.executable, "-c", WORKER], env=environment, check=True)
    with MetricsServer(("127.0.0.1", 0), folder=str(folder), master=os.getpid()) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()
        thread.join()


def test_metrics_are_the_sums_over_all_processes(server):
    text = httpx.get(server).text
    assert COUNTED % ("done", 4.0) in text
    assert COUNTED % ("retried", 2.0) in text


def test_all_metrics_follow_the_conventions(server):
    text = httpx.get(server).text
    assert list(faults(text)) == []
    assert "contacts_importer_build_info" in names(text)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
def test_processes_are_shown_as_one(server):
    def resident_bytes() -> float:
        lines = httpx.get(server).text.splitlines()
        (line,) = (one for one in lines if one.startswith("process_resident_memory_bytes "))
        return float(line.rpartition(" ")[2])

    alone = resident_bytes()
    script = "x = bytearray(b'x' * 50_000_000); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert resident_bytes() > alone + 40_000_000
        child.communicate(b"\n")


def test_a_client_that_sends_nothing_keeps_nobody_out(server):
    url = httpx.URL(server)
    with socket.create_connection((url.host, url.port)):
        assert httpx.get(server, timeout=30).status_code == 200


def test_dramatiq_finds_the_server_by_its_name():
    (fork,) = MessageMetrics().forks
    assert fork is getattr(sys.modules[fork.__module__], fork.__name__)
