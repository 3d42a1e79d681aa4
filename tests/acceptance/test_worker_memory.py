"""A worker's memory does not depend on the size of the import."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from local.processes import PROJECT
from tests.acceptance.conftest import Importer

MIB = 1024 * 1024
RECORD_BYTES = 1000


def _body(size: int) -> Iterator[bytes]:
    yield b'{"source": "memory", "data": ['
    record = b'{"name": "Person", "email": "p@example.com", "note": "%s"}'
    filled = record % (b"x" * (RECORD_BYTES - len(record) + 2))
    separator = b""
    for _ in range(size // MIB):
        chunk = b",".join([filled] * (MIB // RECORD_BYTES))
        yield separator + chunk
        separator = b","
    yield b"]}"


def _peak(importer: Importer, size: int) -> int:
    """Return the peak resident bytes of a worker that imports a body of ``size`` bytes."""
    answer = importer.http.post(
        "/import", content=_body(size), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 202, answer.text
    worker = subprocess.Popen(
        [sys.executable, "-m", "tasks", "--once", "--threads", "4"],
        cwd=PROJECT,
        env=importer.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(worker.pid, 0)
    worker.returncode = os.waitstatus_to_exitcode(status)
    assert worker.returncode == 0
    assert importer.shown(answer.json()["jobId"])["state"] == "completed"
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.timeout(300)
def test_worker_memory_for_200_mb_is_that_for_30_mb(importer: Importer) -> None:
    small = max(_peak(importer, 5 * MIB), _peak(importer, 30 * MIB))
    large = _peak(importer, 200 * MIB)

    assert large - small < 30 * MIB
