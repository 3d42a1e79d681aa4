"""``python -m tasks --sweep`` repairs what a crash left behind, and changes nothing else."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest
from dramatiq.common import dq_name

from core.ids import job_id, new_import_id
from core.queue_messages import SMALL_QUEUE, import_contacts_message, import_part_message
from tests.acceptance.conftest import Importer

CONTACTS = [{"name": f"Person {n}", "email": f"p{n}@example.com"} for n in range(50)]
AFTER = 20
"""Seconds; less than what this file takes, more than two sweeps take on a busy machine."""
SETTINGS = {"SWEEP_AFTER": str(AFTER), "UPSTREAM_DEADLINE": "4"}


@dataclass(frozen=True)
class OldObjects:
    """Objects that were stored before the first test of this file."""

    stored_at: float
    """By the monotonic clock."""
    without_import: list[str]
    foreign: list[str]
    """Objects that the service cannot have named."""
    living: str
    """An import that has lost its message."""
    ended: str


@pytest.fixture(scope="module", autouse=True)
def old_objects(importer: Importer) -> OldObjects:
    living, ended = (importer.post(CONTACTS, source="old objects") for _ in range(2))
    importer.query("update dramatiq.queue set state = 'done' where state = 'queued'")
    # Until its own test, a sweep must not find the living one either.
    importer.query(
        "update imports set state = 'failed', finished_at = now() where source = 'old objects'"
    )
    without_import = [
        f"{job_id(_id_from(3600 + n))}.{'csv' if n % 2 else 'json'}" for n in range(5)
    ]
    foreign = ["import-nonsense.json", f"{job_id(_id_from(3600))}.txt", "folder/x.json"]
    for name in without_import + foreign:
        _put(importer, name)
    return OldObjects(time.monotonic(), without_import, foreign, living, ended)


@pytest.mark.parametrize("fate", ["delete", "done", "rejected"])
def test_sweep_requeues_imports_without_a_message(importer: Importer, fate: str) -> None:
    jobs = [importer.post(CONTACTS, source=f"lost-{fate}") for _ in range(3)]
    for job in jobs:
        _remove_message(importer, import_contacts_message(_id(job))["message_id"], fate)

    swept = importer.run("tasks", "--sweep")
    assert (swept.returncode, swept.stdout) == (0, _output(3, 0)), swept.stderr
    done = importer.run("tasks", "--once")

    assert done.returncode == 0, done.stderr
    assert [importer.counts(job) for job in jobs] == [(50, 0)] * 3
    assert {importer.shown(job)["state"] for job in jobs} == {"completed"}
    assert _contacts(importer, f"lost-{fate}") == (150, 150)


@pytest.mark.parametrize("fate", ["delete", "done"])
@pytest.mark.parametrize("taken", [False, True])
def test_part_that_has_lost_its_message_is_imported(
    importer: Importer, fate: str, taken: bool
) -> None:
    """The sweep queues it again if the message has taken it; else another message takes it."""
    job = importer.post(CONTACTS, source=f"part-{fate}-{taken}")
    _start(importer, job)
    message = import_part_message(_id(job), 2)["message_id"]
    if taken:
        start = "select start_part(%s, 2, %s, 5, false, '{}', %s)"
        importer.query(start, str(_id(job)), str(new_import_id()), message)
    _remove_message(importer, message, fate)

    assert importer.run("tasks", "--sweep").stdout == _output(int(taken), 0)
    assert importer.run("tasks", "--once").returncode == 0

    assert importer.counts(job) == (50, 0)
    parts = {"total": 3, "done": 3, "failed": 0, "cancelled": 0}
    assert importer.shown(job)["parts"] == parts
    assert _contacts(importer, f"part-{fate}-{taken}") == (50, 50)


def test_sweep_leaves_queued_delayed_and_running_messages_alone(importer: Importer) -> None:
    queued, delayed, running, started = [importer.post(CONTACTS) for _ in range(4)]
    is_delayed = f"queue_name = '{dq_name(SMALL_QUEUE)}'"
    for job, change in ((delayed, is_delayed), (running, "state = 'consumed'")):
        message = import_contacts_message(_id(job))["message_id"]
        importer.query(f"update dramatiq.queue set {change} where message_id = %s", message)
    _start(importer, started)

    assert importer.run("tasks", "--sweep").stdout == _output(0, 0)

    importer.query("update dramatiq.queue set queue_name = message ->> 'queue_name'")
    assert importer.run("tasks", "--once").returncode == 0
    assert {importer.shown(job)["state"] for job in (queued, delayed, running, started)} == {
        "completed"
    }


def test_run_once_sweeps_first(importer: Importer) -> None:
    job = importer.post(CONTACTS)
    _remove_message(importer, import_contacts_message(_id(job))["message_id"], "delete")
    importer.query("update sweeps set begun_at = 'epoch'")

    assert importer.run("tasks", "--once").returncode == 0

    assert importer.shown(job)["state"] == "completed"


def test_concurrent_sweeps_requeue_an_import_once(importer: Importer) -> None:
    job = importer.post(CONTACTS, source="twice-swept")
    _remove_message(importer, import_contacts_message(_id(job))["message_id"], "delete")

    with ThreadPoolExecutor() as threads:
        sweeps = list(threads.map(lambda _: importer.run("tasks", "--sweep"), range(3)))

    assert {sweep.returncode for sweep in sweeps} == {0}
    assert importer.run("tasks", "--once").returncode == 0
    assert importer.counts(job) == (50, 0)
    assert _contacts(importer, "twice-swept") == (50, 50)


def test_sweep_without_supabase_exits_with_3(importer: Importer) -> None:
    unreachable = {"SUPABASE_URL": "http://127.0.0.1:9", "UPSTREAM_DEADLINE": "1"}
    assert importer.run("tasks", "--sweep", **unreachable).returncode == 3


def test_sweep_removes_only_old_objects_without_an_import(
    importer: Importer, old_objects: OldObjects
) -> None:
    """The last one in this file: while the others run, the objects grow old."""
    living = old_objects.living
    importer.query(
        "update imports set state = 'queued', finished_at = null where id = %s", str(_id(living))
    )
    time.sleep(max(0.0, old_objects.stored_at + AFTER + 1 - time.monotonic()))
    # The names of both are misleading: the upload of one took long, the other is from the future.
    young = [f"{job_id(_id_from(age))}.json" for age in (3600, -3600)]
    for name in young:
        _put(importer, name)

    with ThreadPoolExecutor() as threads:
        sweeps = list(threads.map(lambda _: importer.run("tasks", "--sweep", **SETTINGS), range(2)))

    assert [sweep.returncode for sweep in sweeps] == [0, 0], sweeps
    assert not [name for name in old_objects.without_import if _exists(importer, name)]
    kept = [*old_objects.foreign, *young, f"{living}.json", f"{old_objects.ended}.json"]
    assert [name for name in kept if not _exists(importer, name)] == []
    assert importer.run("tasks", "--once").returncode == 0
    assert importer.counts(living) == (50, 0)
    assert _contacts(importer, "old objects") == (50, 50)


def _output(queued: int, removed: int) -> str:
    return (
        f"swept: {queued} lost imports queued again, {removed} objects without an import removed,"
        " 0 unfinished uploads ended\n"
    )


def _id(job: str) -> UUID:
    return UUID(job.removeprefix("import-"))


def _id_from(seconds: float) -> UUID:
    """Return an import's id as it was created that many seconds ago."""
    moment = int((time.time() - seconds) * 1000)
    return UUID(int=moment << 80 | new_import_id().int & (1 << 80) - 1)


def _remove_message(importer: Importer, message_id: str, fate: str) -> None:
    if fate == "delete":
        importer.query("delete from dramatiq.queue where message_id = %s", message_id)
    else:
        importer.query(
            "update dramatiq.queue set state = %s where message_id = %s", fate, message_id
        )


def _start(importer: Importer, job: str) -> None:
    """Start an import as a worker does: queue its parts, and finish its message."""
    parts = importer.shown(job)["parts"]["total"]
    messages = [import_part_message(_id(job), part) for part in range(1, parts + 1)]
    _rpc(importer, "start_import", p_import=str(_id(job)))
    _rpc(importer, "queue_messages", p_messages=messages)
    _remove_message(importer, import_contacts_message(_id(job))["message_id"], "done")


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
