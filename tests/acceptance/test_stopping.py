"""Imports that are cancelled or undone while they run, with a request of the worker held."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from local.processes import PROJECT
from tests.acceptance.conftest import Importer
from tests.support.faults import CONTACTS, READ, REJECTIONS, Hold
from tests.support.proxy import Proxy

BATCH = 100
PEOPLE = [{"name": f"P{n}", "email": f"p{n}@example.com"} for n in range(1, 3 * BATCH)]
BAD = [{"email": "nowhere"}]
RECORDS = len(PEOPLE + BAD)


@pytest.fixture
def proxy(importer: Importer) -> Iterator[Proxy]:
    with Proxy(importer.env["SUPABASE_URL"]).running() as proxy:
        yield proxy


@contextmanager
def working(importer: Importer, proxy: Proxy, writer: str = "postgrest") -> Iterator[Any]:
    """Run a worker behind the proxy, which ends when the queue is empty."""
    with subprocess.Popen(
        [sys.executable, "-m", "tasks", "--once"],
        cwd=PROJECT,
        env=importer.environment(
            SUPABASE_URL=proxy.url, BATCH_RECORDS=str(BATCH), CONTACTS_WRITER=writer
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            proxy.clear_faults()
            assert process.wait(60) in {0, -9}


def moved(importer: Importer, method: str, job: str, path: str = "") -> str:
    answer = importer.http.request(method, f"/import/{job}{path}").raise_for_status().json()
    return str(answer["state"])


def counted(importer: Importer, job: str) -> dict[str, Any]:
    shown = importer.shown(job)
    assert shown["records"] == shown["imported"] + shown["rejected"] + shown["notProcessed"]
    return shown


def in_tables(importer: Importer, source: str, job: str) -> tuple[int, int]:
    [(contacts,)] = importer.query("select count(*) from contacts where source = %s", source)
    [(rejections,)] = importer.query(
        "select count(*) from import_rejections where import_id = %s", job.removeprefix("import-")
    )
    return contacts, rejections


# COPY asks Postgres, which is not held, after it has read.
@pytest.mark.parametrize(
    ("writer", "hold", "imported"),
    [
        ("postgrest", Hold(CONTACTS, after=True), BATCH),
        ("copy", Hold(READ, after=True), 0),
    ],
    ids=["postgrest", "copy"],
)
def test_cancel_stops_between_two_batches_and_keeps_contacts(
    importer: Importer, proxy: Proxy, writer: str, hold: Hold, imported: int
) -> None:
    source = f"cancelled {writer}"
    job = importer.post(PEOPLE + BAD, source=source)
    proxy.inject(hold)
    with working(importer, proxy, writer):
        hold.wait()
        assert moved(importer, "POST", job, "/cancel") == "cancelling"
        assert counted(importer, job)["notProcessed"] == RECORDS

    shown = counted(importer, job)
    assert (shown["state"], shown["imported"], shown["rejected"]) == ("cancelled", imported, 0)
    assert shown["parts"] == {"total": 1, "done": 0, "failed": 0, "cancelled": 1}
    assert in_tables(importer, source, job) == (imported, 0)


def test_undo_of_a_running_import_cancels_it_first(importer: Importer, proxy: Proxy) -> None:
    job = importer.post(PEOPLE + BAD, source="undone while it runs")
    proxy.inject(hold := Hold(CONTACTS, after=True))
    with working(importer, proxy):
        hold.wait()
        assert moved(importer, "DELETE", job) == "cancelling"

    assert counted(importer, job)["state"] == "undone"
    assert in_tables(importer, "undone while it runs", job) == (0, 0)


# What a request contains is read before it is held: it outlives who sent it.
@pytest.mark.parametrize(
    ("source", "late"),
    [
        ("late contacts", Hold(CONTACTS, containing=b"p1@")),
        ("late rejections", Hold(REJECTIONS, containing=b"nowhere")),
    ],
    ids=["contacts", "rejections"],
)
def test_writes_of_a_killed_worker_after_the_undo_are_rejected(
    importer: Importer, proxy: Proxy, source: str, late: Hold
) -> None:
    job = importer.post(PEOPLE + BAD, source=source)
    proxy.inject(late)
    with working(importer, proxy) as worker:
        late.wait()
        worker.kill()
        worker.wait()
        assert moved(importer, "DELETE", job) == "cancelling"
        assert importer.run("tasks", "--once").returncode == 0
        assert counted(importer, job)["state"] == "undone"
        late.release()
        assert late.done.wait(60)

    assert in_tables(importer, source, job) == (0, 0)
    assert counted(importer, job)["notProcessed"] == RECORDS


def test_undo_completes_without_its_message_and_object(importer: Importer) -> None:
    job = importer.post(PEOPLE, source="lost undo")
    assert moved(importer, "DELETE", job) == "undoing"
    importer.query(
        "delete from dramatiq.queue where message #>> '{args,0}' = %s", job.removeprefix("import-")
    )
    importer.remove_object(job)

    assert importer.run("tasks", "--sweep").returncode == 0
    assert importer.run("tasks", "--once").returncode == 0

    assert counted(importer, job)["state"] == "undone"
