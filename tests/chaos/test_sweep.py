"""``python -m tasks --sweep`` finds what a crash left behind, and touches nothing else."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import httpx
import pytest

from core.ids import job_id, new_import_id
from core.messages import import_contacts_message, import_part_message
from tests.acceptance.conftest import Importer

CONTACTS = [{"name": f"Person {n}", "email": f"p{n}@example.com"} for n in range(50)]
AFTER = 8
SETTINGS = {"SWEEP_AFTER": str(AFTER), "UPSTREAM_DEADLINE": "4"}


@pytest.mark.parametrize("fate", ["delete", "done", "rejected"])
def test_an_import_that_lost_its_message_is_completed(importer: Importer, fate: str) -> None:
    jobs = [importer.post(CONTACTS, source=f"lost-{fate}") for _ in range(3)]
    for job in jobs:
        _lose(importer, import_contacts_message(_id(job))["message_id"], fate)

    swept = importer.run("tasks", "--sweep")
    assert (swept.returncode, swept.stdout) == (0, _said(3, 0)), swept.stderr
    done = importer.run("tasks", "--once")

    assert done.returncode == 0, done.stderr
    assert [importer.counts(job) for job in jobs] == [(50, 0)] * 3
    assert {importer.shown(job)["state"] for job in jobs} == {"completed"}
    assert _contacts(importer, f"lost-{fate}") == (150, 150)


@pytest.mark.parametrize("fate", ["delete", "done"])
def test_a_part_that_lost_its_message_is_completed(importer: Importer, fate: str) -> None:
    job = importer.post(CONTACTS, source=f"part-{fate}")
    _begin(importer, job)
    _lose(importer, import_part_message(_id(job), 2)["message_id"], fate)

    assert importer.run("tasks", "--sweep").stdout == _said(1, 0)
    assert importer.run("tasks", "--once").returncode == 0

    assert importer.counts(job) == (50, 0)
    parts = {"total": 3, "done": 3, "failed": 0, "cancelled": 0}
    assert importer.shown(job)["parts"] == parts
    assert _contacts(importer, f"part-{fate}") == (50, 50)


def test_what_is_queued_delayed_or_in_work_is_not_lost(importer: Importer) -> None:
    queued, delayed, in_work, handed_out = [importer.post(CONTACTS) for _ in range(4)]
    for job, change in ((delayed, "queue_name = 'imports.DQ'"), (in_work, "state = 'consumed'")):
        message = import_contacts_message(_id(job))["message_id"]
        importer.query(f"update dramatiq.queue set {change} where message_id = %s", message)
    _begin(importer, handed_out)

    assert importer.run("tasks", "--sweep").stdout == _said(0, 0)

    importer.query("update dramatiq.queue set queue_name = 'imports'")
    assert importer.run("tasks", "--once").returncode == 0
    assert {importer.shown(job)["state"] for job in (queued, delayed, in_work, handed_out)} == {
        "completed"
    }


def test_run_once_sweeps_first(importer: Importer) -> None:
    job = importer.post(CONTACTS)
    _lose(importer, import_contacts_message(_id(job))["message_id"], "delete")
    importer.query("update sweeps set begun_at = 'epoch'")

    assert importer.run("tasks", "--once").returncode == 0

    assert importer.shown(job)["state"] == "completed"


def test_only_old_objects_without_an_import_are_removed(importer: Importer) -> None:
    living, ended = importer.post(CONTACTS), importer.post(CONTACTS)
    importer.query("update dramatiq.queue set state = 'done' where state = 'queued'")
    importer.query(
        "update imports set state = 'failed', finished_at = now() where id = %s", str(_id(ended))
    )
    orphans = [f"{job_id(_born_ago(3600 + n))}.{'csv' if n % 2 else 'json'}" for n in range(5)]
    foreign = ["import-nonsense.json", f"{job_id(_born_ago(3600))}.txt", "folder/x.json"]
    for name in orphans + foreign:
        _put(importer, name)
    time.sleep(AFTER + 1)
    # One whose upload took long, and one that is named after a moment to come.
    young = [f"{job_id(_born_ago(age))}.json" for age in (3600, -3600)]
    for name in young:
        _put(importer, name)

    with ThreadPoolExecutor() as threads:
        sweeps = list(threads.map(lambda _: importer.run("tasks", "--sweep", **SETTINGS), range(2)))

    assert [sweep.returncode for sweep in sweeps] == [0, 0], sweeps
    assert not [name for name in orphans if _exists(importer, name)]
    kept = [*foreign, *young, f"{living}.json", f"{ended}.json"]
    assert [name for name in kept if not _exists(importer, name)] == []
    assert importer.run("tasks", "--once").returncode == 0
    assert importer.counts(living) == (50, 0)
    assert _contacts(importer, "acceptance")[0] == _contacts(importer, "acceptance")[1]


def test_two_sweeps_at_once_queue_an_import_once(importer: Importer) -> None:
    job = importer.post(CONTACTS, source="twice-swept")
    _lose(importer, import_contacts_message(_id(job))["message_id"], "delete")

    with ThreadPoolExecutor() as threads:
        sweeps = list(threads.map(lambda _: importer.run("tasks", "--sweep"), range(3)))

    assert {sweep.returncode for sweep in sweeps} == {0}
    assert importer.run("tasks", "--once").returncode == 0
    assert importer.counts(job) == (50, 0)
    assert _contacts(importer, "twice-swept") == (50, 50)


def test_without_supabase_the_exit_code_says_so(importer: Importer) -> None:
    away = {"SUPABASE_URL": "http://127.0.0.1:9", "UPSTREAM_DEADLINE": "1"}
    assert importer.run("tasks", "--sweep", **away).returncode == 3


def _said(queued: int, removed: int) -> str:
    return (
        f"swept: {queued} lost imports queued again, {removed} objects without an import removed\n"
    )


def _id(job: str) -> UUID:
    return UUID(job.removeprefix("import-"))


def _born_ago(seconds: float) -> UUID:
    """An import's id of another moment."""
    moment = int((time.time() - seconds) * 1000)
    return UUID(int=moment << 80 | new_import_id().int & (1 << 80) - 1)


def _lose(importer: Importer, message_id: str, fate: str) -> None:
    if fate == "delete":
        importer.query("delete from dramatiq.queue where message_id = %s", message_id)
    else:
        importer.query(
            "update dramatiq.queue set state = %s where message_id = %s", fate, message_id
        )


def _begin(importer: Importer, job: str) -> None:
    """As a worker would: hand out the parts, be done."""
    parts = importer.shown(job)["parts"]["total"]
    messages = [import_part_message(_id(job), part) for part in range(1, parts + 1)]
    _rpc(importer, "start_import", p_import=str(_id(job)))
    _rpc(importer, "queue_messages", p_messages=messages)
    _lose(importer, import_contacts_message(_id(job))["message_id"], "done")


def _rpc(importer: Importer, function: str, **arguments: object) -> None:
    url = f"{importer.env['SUPABASE_URL']}/rest/v1/rpc/{function}"
    httpx.post(url, json=arguments, headers=_headers(importer)).raise_for_status()


def _headers(importer: Importer) -> dict[str, str]:
    key = importer.env["SUPABASE_SERVICE_ROLE_KEY"]
    return {"apikey": key, "Authorization": f"Bearer {key}"}


def _object(importer: Importer, name: str) -> str:
    return f"{importer.env['SUPABASE_URL']}/storage/v1/object/imports/{name}"


def _put(importer: Importer, name: str) -> None:
    headers = _headers(importer) | {"Content-Type": "application/json"}
    httpx.post(_object(importer, name), content=b"1", headers=headers).raise_for_status()


def _exists(importer: Importer, name: str) -> bool:
    return httpx.get(_object(importer, name), headers=_headers(importer)).status_code == 200


def _contacts(importer: Importer, source: str) -> tuple[int, int]:
    sql = "select count(*), count(distinct id) from contacts where source = %s"
    ((count, distinct),) = importer.query(sql, source)
    return count, distinct
