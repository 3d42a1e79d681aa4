"""A sweep ends resumable uploads whose service is gone, and leaves those that run alone."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from local.processes import service
from tests.acceptance.conftest import Importer
from tests.chaos.supervised_process import eventually

RECORDS = 180_000
CONTENT = b"name,email\n" + b"".join(
    b"Person Number %06d,person.number.%06d@example.org\n" % (n, n) for n in range(RECORDS)
)
SENT_FIRST = 8 * 1024 * 1024
PART_BYTES = "1048576"
SWEPT = "0 lost imports queued again, 0 objects without an import removed, {} unfinished"
ABANDONED = "update unfinished_uploads set seen_at = seen_at - interval '1 hour' where path = %s"


@dataclass
class SlowUpload:
    """An import whose body stops in its middle until ``go_on`` is set."""

    url: str
    go_on: threading.Event
    answer: httpx.Response | None = None

    def send(self) -> None:
        headers = {"Content-Type": "text/csv", "Content-Length": str(len(CONTENT))}
        try:
            self.answer = httpx.post(
                f"{self.url}/import?source=slow", content=self._body(), headers=headers, timeout=60
            )
        except httpx.TransportError:
            self.answer = None

    def _body(self) -> Iterator[bytes]:
        yield CONTENT[:SENT_FIRST]
        self.go_on.wait(50)
        yield CONTENT[SENT_FIRST:]


def paths(importer: Importer) -> set[str]:
    return {path for (path,) in importer.query("select path from unfinished_uploads")}


def offset(importer: Importer, path: str) -> int | None:
    """Return how many bytes Storage has of an upload; None if it does not know the upload."""
    key = importer.env["SUPABASE_SERVICE_ROLE_KEY"]
    headers = {"apikey": key, "Authorization": f"Bearer {key}", "Tus-Resumable": "1.0.0"}
    answer = httpx.head(f"{importer.env['SUPABASE_URL']}{path}", headers=headers)
    return int(answer.headers["Upload-Offset"]) if answer.status_code == 200 else None


def begun(importer: Importer, upload: SlowUpload) -> tuple[threading.Thread, str]:
    """Send the first half; returns the upload's path once Storage has bytes of it."""
    before = paths(importer)
    sender = threading.Thread(target=upload.send)
    sender.start()
    path = eventually(lambda: next(iter(paths(importer) - before), None), "the upload is recorded")
    eventually(lambda: offset(importer, path), "Storage has its first bytes")
    return sender, path


def test_a_sweep_ends_the_upload_of_a_killed_service_and_no_other(
    importer: Importer, tmp_path: Path
) -> None:
    running = SlowUpload(str(importer.http.base_url), threading.Event())
    runs, running_path = begun(importer, running)
    with service({**importer.env, "PORT": "0"}, tmp_path / "killed.log") as (url, process):
        killed = SlowUpload(url, threading.Event())
        dies, killed_path = begun(importer, killed)
        os.kill(process.pid, signal.SIGKILL)
        killed.go_on.set()
        dies.join()
    assert offset(importer, killed_path)

    swept = importer.run("tasks", "--sweep")
    assert SWEPT.format(0) in swept.stdout, swept
    importer.query(ABANDONED, killed_path)
    swept = importer.run("tasks", "--sweep")
    assert SWEPT.format(1) in swept.stdout, swept
    assert offset(importer, killed_path) is None
    assert paths(importer) == {running_path}

    running.go_on.set()
    runs.join()
    assert running.answer is not None
    assert running.answer.status_code == 202, running.answer.text
    assert importer.run("tasks", "--once").returncode == 0
    assert importer.counts(running.answer.json()["jobId"]) == (RECORDS, 0)
    assert not paths(importer)


@pytest.mark.slow
def test_an_upload_that_became_an_object_is_forgotten(importer: Importer) -> None:
    with closing(httpx.Client(base_url=importer.http.base_url, timeout=60)) as http:
        upload = SlowUpload(str(http.base_url), threading.Event())
        sender, path = begun(importer, upload)
        upload.go_on.set()
        sender.join()
    assert upload.answer is not None
    job = upload.answer.json()["jobId"]
    importer.query("insert into unfinished_uploads values (%s, 'epoch')", path)
    swept = importer.run("tasks", "--sweep")
    assert SWEPT.format(0) in swept.stdout, swept
    assert not paths(importer)
    assert importer.run("tasks", "--once").returncode == 0
    assert importer.counts(job) == (RECORDS, 0)
