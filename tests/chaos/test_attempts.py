"""A part that kills its worker each time fails after some attempts; the others are imported."""

import signal
import subprocess
import sys
import time
from typing import Any
from uuid import UUID

import httpx
import psycopg2
import pytest

from local.processes import PROJECT
from tests.acceptance.conftest import ENDED, Importer
from tests.chaos.supervised_process import eventually
from tests.support.faults import QUEUE_PARTS, READ, Answer, Hold, rpc
from tests.support.proxy import Proxy

CONTACTS = [{"name": f"Person {n}", "email": f"p{n}@example.com"} for n in range(500)]
IN_WORK = """
    select message_id::text, pg_advisory_lock(dramatiq.message_lock(queue_name, message_id))
    from dramatiq.queue where message #>> '{args,0}' = %s and message #> '{args,1}' is not null
"""
"""Locks the messages of an import's parts, as a worker does."""
LOSE_START = """
    with import as (
      update imports set state = 'queued', started_at = null where id = %s returning id
    )
    update import_parts
    set state = 'queued', attempt = null, open_attempts = '{}', message_id = null, started_at = null
    where import_id = (select id from import)
"""
SETTLE = "update dramatiq.queue set state = %s where message_id = any (%s::uuid[])"


def test_a_part_with_five_open_attempts_fails_and_the_others_are_imported(
    importer: Importer,
) -> None:
    job = importer.post(CONTACTS, source="started-five-times")
    importer.query(
        "update import_parts set state = 'importing', "
        "open_attempts = array(select gen_random_uuid() from generate_series(1, 5)) "
        "where import_id = %s and part = 2",
        job.removeprefix("import-"),
    )

    done = importer.run("tasks", "--once")

    assert done.returncode == 1, done.stderr
    _is_failed_but_for_the_others(importer, job, "started-five-times", 2)
    assert "part given up" in done.stderr
    assert "import closed" in done.stderr


def test_start_part_counts_a_repeated_attempt_once(importer: Importer) -> None:
    job = importer.post(CONTACTS, source="repeated")
    attempt = {"p_import": job.removeprefix("import-"), "p_part": 2, "p_max_attempts": 5}
    open_attempts = "select cardinality(open_attempts) from import_parts"
    key = importer.env["SUPABASE_SERVICE_ROLE_KEY"]
    headers = {"apikey": key, "Authorization": f"Bearer {key}"}
    for number in (0, 0, 0, 1):
        answer = httpx.post(
            f"{importer.env['SUPABASE_URL']}/rest/v1/rpc/start_part",
            json={**attempt, "p_alone": number == 1, "p_attempt": str(UUID(int=number))},
            headers=headers,
        )
        assert answer.json()["source"] == "repeated"

    assert importer.query(
        f"{open_attempts} where import_id = %s and part = 2",
        attempt["p_import"],
    ) == [(2,)]
    assert importer.run("tasks", "--once").returncode == 0


def test_an_outage_of_the_database_does_not_count_as_an_attempt(importer: Importer) -> None:
    """Several times, neither the contacts nor the end of the attempt can be written."""
    job = importer.post(CONTACTS[:5], source="outage")
    writes = rpc("(write_contacts|finish_part|postpone_part)")
    with Proxy(importer.env["SUPABASE_URL"]).running() as proxy:
        proxy.inject(outage := Answer(writes, times=12))
        done = importer.run(
            *("tasks", "--once"),
            SUPABASE_URL=proxy.url,
            UPSTREAM_DEADLINE="1",
            PART_ATTEMPTS="1",
            SWEEP_AFTER="100",
        )
        assert outage.is_spent
        starts = proxy.count(rpc("start_part"))

    assert done.returncode == 0, done.stderr
    assert starts > 1
    assert "alone" not in done.stderr
    assert importer.counts(job) == (5, 0)


def test_a_retry_before_the_acknowledgement_loses_no_message(
    importer: Importer,
) -> None:
    """The messages of the failed parts are still consumed when the retry queues its own."""
    job = importer.post(CONTACTS, source="early retry")
    object_name = f"{job}.json"
    content = _storage(importer, "GET", object_name).content
    importer.remove_object(job)
    assert importer.run("tasks", "--once").returncode == 1
    _storage(importer, "POST", object_name, content=content)
    import_id = job.removeprefix("import-")
    assert importer.http.post(f"/import/{job}/retry").json()["state"] == "queued"

    with psycopg2.connect(importer.env["DATABASE_URL"]) as session, session.cursor() as cursor:
        cursor.execute(IN_WORK, [import_id])
        before = [message_id for message_id, _ in cursor.fetchall()]
        assert len(before) > 1
        importer.query(SETTLE, "consumed", before)
        with Proxy(importer.env["SUPABASE_URL"]).running() as proxy:
            proxy.inject(hold := Hold(QUEUE_PARTS, after=True))
            worker = subprocess.Popen(
                [sys.executable, "-m", "tasks", "--once"],
                cwd=PROJECT,
                env=importer.environment(SUPABASE_URL=proxy.url),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            hold.wait()
            importer.query(SETTLE, "done", before)
            hold.release()
            assert worker.wait(100) == 0
    session.close()

    assert importer.shown(job)["state"] == "completed"
    assert importer.counts(job) == (len(CONTACTS), 0)


@pytest.mark.parametrize("contacts_writer", ["postgrest", "copy"])
def test_a_part_whose_start_was_lost_in_a_crash_of_postgres_is_imported(
    importer: Importer, contacts_writer: str
) -> None:
    """The start does not wait for the disk; here it is taken back before its answer arrives."""
    job = importer.post(CONTACTS[:5], source="lost start")
    with Proxy(importer.env["SUPABASE_URL"]).running() as proxy:
        proxy.inject(hold := Hold(rpc("start_part"), after=True))
        worker = subprocess.Popen(
            [sys.executable, "-m", "tasks", "--once"],
            cwd=PROJECT,
            env=importer.environment(
                SUPABASE_URL=proxy.url, CONTACTS_WRITER=contacts_writer, SWEEP_AFTER="1000"
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        hold.wait()
        importer.query(LOSE_START, job.removeprefix("import-"))
        hold.release()
        _, log = worker.communicate(timeout=100)

    assert worker.returncode == 0, log
    assert "part is owned by another attempt" in log
    assert importer.shown(job)["state"] == "completed"
    assert importer.counts(job) == (5, 0)


def _storage(importer: Importer, method: str, name: str, **more: Any) -> httpx.Response:
    key = importer.env["SUPABASE_SERVICE_ROLE_KEY"]
    url = f"{importer.env['SUPABASE_URL']}/storage/v1/object/imports/{name}"
    headers = {"apikey": key, "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return httpx.request(method, url, headers=headers, **more).raise_for_status()


def test_a_part_that_kills_its_worker_fails_no_other_part(importer: Importer) -> None:
    """The worker is killed whenever it reads the second part, and restarted each time."""
    job = importer.post(CONTACTS, source="deadly")
    ((byte_start,),) = importer.query(
        "select byte_start from import_parts where import_id = %s and part = 2",
        job.removeprefix("import-"),
    )

    starts = _work_until_ended(importer, job, byte_start)

    assert starts == 6
    _is_failed_but_for_the_others(importer, job, "deadly", 2)


def _is_failed_but_for_the_others(importer: Importer, job: str, source: str, part: int) -> None:
    shown = importer.shown(job)
    parts = shown["parts"]
    assert (shown["state"], parts["failed"], parts["done"]) == ("failed", 1, parts["total"] - 1)
    assert shown["failure"]["code"] == "attempts_exhausted"
    assert shown["failure"]["part"] == part
    ((records_of_part,),) = importer.query(
        "select records from import_parts where import_id = %s and part = %s",
        job.removeprefix("import-"),
        part,
    )
    assert shown["imported"] == shown["records"] - records_of_part
    sql = "select count(*), count(distinct id) from contacts where source = %s"
    assert importer.query(sql, source) == [(shown["imported"],) * 2]


def _work_until_ended(importer: Importer, job: str, deadly: int) -> int:
    """Run one worker after the other until the import has ended; returns how many there were.

    A worker is killed when it reads the part that starts at ``deadly``.
    """
    starts, deadline = 0, time.monotonic() + 100
    with Proxy(importer.env["SUPABASE_URL"]).running() as proxy:
        while importer.shown(job)["state"] not in ENDED:
            assert time.monotonic() < deadline, importer.shown(job)
            starts += 1
            proxy.reset(hold := Hold(READ, byte_start=deadly, lose=True))
            worker = subprocess.Popen(
                [sys.executable, "-m", "tasks", "--once"],
                cwd=PROJECT,
                env=importer.environment(SUPABASE_URL=proxy.url),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            eventually(
                lambda held=hold, ran=worker: held.reached.is_set() or ran.poll() is not None,
                "the worker reads the part or ends",
            )
            if worker.poll() is None:
                worker.kill()
            assert worker.wait(60) in {-signal.SIGKILL, 1}
    return starts
