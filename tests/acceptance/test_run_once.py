"""``python -m tasks --once``: processes the queue; its exit code says how that went."""

import json
import time
from uuid import UUID, uuid4

import pytest

from core.queue_messages import import_contacts_message, notify_import_message
from tasks.queue.connections import connection_arguments
from tasks.run_once import Database
from tests.acceptance.conftest import Importer

GOOD = [{"name": f"Person {n}", "email": f"p{n}@example.com"} for n in range(1, 8)]
BAD = [{"name": "No at", "email": "nowhere"}, {"phone": "1"}, 5]


def test_run_once_imports_everything_queued(importer: Importer) -> None:
    jobs = [importer.post(GOOD + BAD), importer.post([])]

    done = importer.run("tasks", "--once")

    assert done.returncode == 0, done.stderr
    assert importer.counts(jobs[0]) == (7, 3)
    assert importer.counts(jobs[1]) == (0, 0)
    assert {importer.shown(job)["state"] for job in jobs} == {"completed"}


def test_rejections_have_record_code_and_content(importer: Importer) -> None:
    job = importer.post(GOOD + BAD)
    importer.run("tasks", "--once")

    found = importer.query(
        "select record, code, content from import_rejections where import_id = %s order by record",
        job.removeprefix("import-"),
    )

    assert [(record, code) for record, code, _ in found] == [
        (8, "email_invalid"),
        (9, "no_name_and_no_email"),
        (10, "not_an_object"),
    ]
    assert json.loads(found[0][2]) == BAD[0]


def test_contacts_are_in_the_table(importer: Importer) -> None:
    job = importer.post(GOOD, source="in-the-table")
    importer.run("tasks", "--once")

    found = importer.query(
        "select name, email, source, imported_at is not null from contacts "
        "where source = 'in-the-table' order by id"
    )

    assert importer.shown(job)["state"] == "completed"
    assert found == [(c["name"], c["email"], "in-the-table", True) for c in GOOD]


def test_the_same_contacts_sent_twice_are_two_imports(importer: Importer) -> None:
    for _ in range(2):
        importer.post(GOOD, source="twice")
    importer.run("tasks", "--once")

    found = importer.query(
        "select count(*), count(distinct id) from contacts where source = 'twice'"
    )

    assert found == [(14, 14)]


def test_run_once_exits_with_1_after_a_failed_import(importer: Importer) -> None:
    job = importer.post(GOOD)
    importer.remove_object(job)

    done = importer.run("tasks", "--once")

    assert done.returncode == 1
    assert importer.shown(job)["state"] == "failed"
    assert importer.shown(job)["failure"]["code"] == "object_missing"


def test_run_once_waits_for_delayed_messages(importer: Importer) -> None:
    job = importer.post(GOOD)
    _delay_message(importer, job, milliseconds=1500)

    done = importer.run("tasks", "--once")

    assert done.returncode == 0, done.stderr
    assert importer.shown(job)["state"] == "completed"


@pytest.mark.parametrize(
    ("state", "seconds", "waits"),
    [
        ("queued", None, True),
        ("consumed", None, True),
        ("consumed", 5, True),
        ("queued", 60, False),
        ("done", None, False),
    ],
)
def test_run_once_waits_for_webhooks_unless_delayed_for_long(
    importer: Importer, state: str, seconds: int | None, waits: bool
) -> None:
    message = notify_import_message(uuid4())
    if seconds is not None:
        message["options"]["eta"] = (time.time_ns() // 10**9 + seconds) * 1000
    importer.query(
        "insert into dramatiq.queue (queue_name, message_id, state, message) "
        "values ('imports', %s, %s, %s)",
        message["message_id"],
        state,
        json.dumps(message),
    )
    database = Database(connection_arguments(importer.settings()))

    assert database.has_messages() is waits

    database.close()
    importer.query("delete from dramatiq.queue where message_id = %s", message["message_id"])


def test_run_once_imports_what_has_lost_its_message(importer: Importer) -> None:
    """The sweep at the start is not due, because there has just been one."""
    importer.query("update sweeps set begun_at = clock_timestamp()")
    jobs = [importer.post(GOOD + BAD) for _ in range(2)]
    importer.query(
        "delete from dramatiq.queue where message #>> '{args,0}' = any (%s)",
        [job.removeprefix("import-") for job in jobs],
    )

    done = importer.run("tasks", "--once")

    assert done.returncode == 0, done.stderr
    assert [importer.counts(job) for job in jobs] == [(7, 3)] * 2


def test_run_once_with_an_empty_queue_exits_with_0(importer: Importer) -> None:
    done = importer.run("tasks", "--once")

    assert done.returncode == 0
    assert "0 imports" in done.stdout or "no" in done.stdout.lower()


def test_an_import_can_be_erased_as_in_security_md(importer: Importer) -> None:
    kept, gone = (importer.post(GOOD + BAD, source="forget") for _ in range(2))
    importer.run("tasks", "--once")
    import_id = gone.removeprefix("import-")

    ids = f"{import_id[:14]}8{import_id[15:27]}%"
    importer.query("delete from contacts where id::text like %s", ids)
    importer.query("delete from imports where id = %s", import_id)

    left = "select count(*) from {} where import_id = any (%s::uuid[])"
    both = [kept.removeprefix("import-"), import_id]
    assert importer.query("select count(*) from contacts where source = 'forget'") == [(7,)]
    assert importer.query(left.format("import_parts"), both) == [(1,)]
    assert importer.query(left.format("import_rejections"), both) == [(3,)]
    assert importer.counts(kept) == (7, 3)


def _delay_message(importer: Importer, job: str, *, milliseconds: int) -> None:
    message_id = import_contacts_message(UUID(job.removeprefix("import-")))["message_id"]
    importer.query(
        """
        update dramatiq.queue
        set queue_name = 'imports.DQ',
            message = jsonb_set(
              jsonb_set(message, '{queue_name}', '"imports.DQ"'), '{options,eta}',
              to_jsonb((extract(epoch from clock_timestamp()) * 1000)::bigint + %s))
        where message_id = %s
        """,
        milliseconds,
        message_id,
    )
