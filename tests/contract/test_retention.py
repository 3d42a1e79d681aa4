"""What an import leaves is removed when its time is over, and never while something needs it."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from core.errors import TransientError
from core.ids import job_id
from core.rejection_objects import rejections_folder
from core.retention import Retention
from tasks.maintenance.retention import Expired
from tests.contract.repository_calls import PART, Repository, unprocessed
from tests.support.leftovers import storage_client
from tests.support.maintenance import Maintenance, maintenance_of
from tests.support.service import PROJECT, running_service
from tests.support.traces import SOURCE, Traces

DAY = 86_400
FOR_EVER = Retention()
OLD, YOUNG = "25 hours", "23 hours"
STATES = (
    *("queued", "importing", "cancelling", "undoing", "undone"),
    *("completed", "failed", "cancelled", "undo_failed"),
)
DUE = {"completed", "failed", "cancelled", "undo_failed"}
"""States in which nothing needs the object any more."""


@dataclass
class Lab:
    """Makes imports in any state, with objects, and looks at what is left of them."""

    calls: Repository
    traces: Traces
    storage: httpx.Client
    objects: list[str]

    def create(self, state: str = "completed", ago: str = OLD, **more: Any) -> uuid.UUID:
        made = self.calls.create(parts=1, object=f"{uuid.uuid4()}.json", **more)
        assert isinstance(made, uuid.UUID)
        self.put(self.row(made)["object"])
        self._bring_to(made, state)
        assert self.row(made)["state"] == state
        self.traces.rows(
            "update imports set finished_at = now() - %s::interval "
            "where id = %s and finished_at is not null returning 1",
            *(ago, str(made)),
        )
        return made

    def _bring_to(self, made: uuid.UUID, state: str) -> None:
        if state == "queued":
            return
        self.calls.begin(made, 1)
        if state == "failed":
            self.calls.fail(made, 1)
        if state in {"completed", "undoing", "undone", "undo_failed"}:
            self.calls.finish(made, 1)
        if state in {"cancelling", "cancelled"}:
            self.calls.on("cancel_import", made)
        if state == "cancelled":
            self.calls.cancel(made, 1)
        if state in {"undoing", "undone", "undo_failed"}:
            self.calls.on("undo_import", made, p_message=a_message())
        if state == "undone":
            while self.calls.on("undo_some", made, p_limit=100):
                pass
            self.calls.on("finish_undo", made)
        if state == "undo_failed":
            self.calls.on("fail_undo", made, p_code="c", p_detail="d")

    def put(self, name: str) -> None:
        self.objects.append(name)
        self.storage.post(f"/object/imports/{name}", content=b"1").raise_for_status()

    def has(self, name: str) -> bool:
        return self.storage.get(f"/object/imports/{name}").status_code == 200

    def row(self, made: uuid.UUID) -> dict[str, Any]:
        return self.traces.import_row(job_id(made))

    def reject(self, made: uuid.UUID, *records: int) -> None:
        for record in records:
            self.calls.reject(made, 1, record)

    def rejections(self, made: uuid.UUID) -> int:
        return len(self.traces.rejections(job_id(made)))

    def exists(self, made: uuid.UUID) -> bool:
        return bool(self.traces.rows("select 1 from imports where id = %s", str(made)))


@pytest.fixture
def lab(supabase_env: Mapping[str, str], repository: Repository, traces: Traces) -> Iterator[Lab]:
    with storage_client(supabase_env) as storage:
        lab = Lab(repository, traces, storage, [])
        yield lab
        storage.request("DELETE", "/object/imports", json={"prefixes": lab.objects})


@pytest.fixture(scope="module")
def maintenance(supabase_env: Mapping[str, str]) -> Iterator[Maintenance]:
    with maintenance_of(supabase_env) as maintenance:
        yield maintenance


def a_message() -> dict[str, Any]:
    return unprocessed({"actor_name": "undo_import", "args": [], "kwargs": {}, "options": {}})


def retried(client: httpx.Client, made: uuid.UUID) -> tuple[int, Any]:
    answer = client.post(f"/import/{job_id(made)}/retry")
    return answer.status_code, answer.json().get("code")


def test_objects_are_removed_when_they_are_due_and_nothing_needs_them(lab, maintenance, client):
    old = {state: lab.create(state) for state in STATES}
    young = {state: lab.create(state, YOUNG) for state in DUE}
    removed = maintenance.sweep(Retention(objects=DAY)).run()
    assert removed == Expired(objects=len(DUE), rejections=0, imports=0)
    for state, made in old.items():
        row = lab.row(made)
        assert lab.has(row["object"]) == (state not in DUE), state
        assert (row["object_removed_at"] is None) == (state not in {*DUE, "undone"}), state
        assert row["rejections_expired_at"] is None or state == "undone"
    assert all(lab.has(lab.row(made)["object"]) for made in young.values())
    assert maintenance.sweep(Retention(objects=DAY)).run() == Expired(0, 0, 0)

    assert retried(client, old["failed"]) == (410, "object_expired")
    assert retried(client, old["completed"]) == (409, "not_failed")
    assert retried(client, young["failed"]) == (202, None)
    assert client.delete(f"/import/{job_id(old['failed'])}").json()["state"] == "undoing"
    # A retry begins a new time, however old the import is.
    lab.traces.rows("update imports set created_at = 'epoch' where id = %s returning 1",
                    str(young["failed"]))  # fmt: skip
    assert maintenance.sweep(Retention(objects=DAY)).run() == Expired(0, 0, 0)


def test_a_client_may_have_its_file_kept_for_less_time(lab, maintenance):
    hour, day, for_ever = (lab.create(keep=keep) for keep in (3600, 30 * DAY, None))
    maintenance.sweep(FOR_EVER).run()
    assert [lab.has(lab.row(each)["object"]) for each in (hour, day, for_ever)] == [
        False, True, True,
    ]  # fmt: skip
    assert lab.row(hour)["rejections_removed_at"] is not None
    maintenance.sweep(Retention(objects=DAY)).run()
    assert not lab.has(lab.row(day)["object"])
    assert lab.row(day)["rejections_expired_at"] is None


def test_a_sweep_that_dies_after_the_removal_is_repeated(lab, maintenance, monkeypatch, client):
    made = lab.create("failed")
    sweep = maintenance.sweep(Retention(objects=DAY, rejections=DAY))

    def die(imports: object) -> int:
        raise TransientError("database", "is away")

    with monkeypatch.context() as dying:
        dying.setattr(sweep._repository, "objects_removed", die)
        with pytest.raises(TransientError):
            sweep.run()
    assert not lab.has(lab.row(made)["object"])
    assert lab.row(made)["object_removed_at"] is None
    assert retried(client, made) == (410, "object_expired")
    assert sweep.run().objects == 1
    assert lab.row(made)["object_removed_at"] is not None


@pytest.fixture
def rejected(lab: Lab) -> uuid.UUID:
    """An old import with rejections in the table and in Storage, which has failed."""
    made = lab.create("importing")
    lab.reject(made, *range(1, 4))
    stored = f"{rejections_folder(made)}/000001-x.ndjson.zst"
    lab.put(stored)
    lab.calls.move("add_rejection_object", made, 1, p_object={
        "object": stored, "first_record": 4, "last_record": 5, "codes": {"c": 2},
    })  # fmt: skip
    lab.calls.fail(made, 1)
    lab.traces.rows("update imports set finished_at = now() - interval '25 hours' "
                    "where id = %s returning 1", str(made))  # fmt: skip
    return made


def test_rejections_are_removed_from_the_table_and_from_storage(lab, maintenance, client, rejected):
    others = [lab.create(ago=YOUNG), lab.create("importing")]
    for other in others:
        lab.reject(other, 1)
    clean = lab.create()
    removed = maintenance.sweep(Retention(rejections=DAY)).run()
    assert removed == Expired(objects=0, rejections=2, imports=0)
    assert (lab.rejections(rejected), [lab.rejections(other) for other in others]) == (0, [1, 1])
    assert not lab.has(lab.objects[1])
    assert lab.has(lab.row(rejected)["object"])
    rows = "select 1 from import_rejection_objects where import_id = %s"
    assert lab.traces.rows(rows, str(rejected)) == []

    for query in ("", "?format=csv"):
        answer = client.get(f"/import/{job_id(rejected)}/rejections{query}")
        assert (answer.status_code, answer.json()["code"]) == (410, "rejections_expired")
    assert client.get(f"/import/{job_id(rejected)}").json()["rejected"] == 5
    answer = client.get(f"/import/{job_id(clean)}/rejections")
    assert (answer.status_code, answer.json()["rejections"]) == (200, [])


def test_a_retry_keeps_its_rejections_and_waits_until_former_ones_are_removed(
    lab, maintenance, client, rejected
):
    keep = {"p_keep": DAY, "p_limit": 10}
    [expired] = lab.calls.call("expire_rejections", **keep)
    assert expired == {"id": str(rejected), "stored": True}
    assert lab.calls.on("retry_import", rejected, p_message=a_message()) == "55P03"
    maintenance.sweep(Retention(rejections=DAY)).run()
    assert retried(client, rejected) == (202, None)
    lab.calls.begin(rejected, 1)
    lab.calls.write_rejection(rejected, 1, 1)
    lab.calls.call("remove_rejections", p_imports=[str(rejected)], p_limit=10)
    lab.calls.finish(rejected, 1, imported=PART - 1)
    page = client.get(f"/import/{job_id(rejected)}/rejections").json()
    assert [each["record"] for each in page["rejections"]] == [1]


def test_imports_are_removed_with_all_they_left_but_their_contacts(lab, maintenance, client):
    key = {"idempotency_key": str(uuid.uuid4()), "fingerprint": "f"}
    message = unprocessed({"actor_name": "notify_import", "args": [], "kwargs": {}, "options": {}})
    notified = {"notify": {"url": "https://example.com", "message": message}}
    lab.calls.messages.append(message["message_id"])
    old = {state: lab.create(state) for state in STATES}
    with_key, young = lab.create(**key), lab.create(ago=YOUNG)
    waiting = lab.create(**notified)
    lab.traces.rows(
        "insert into contacts (id, name) "
        "values (contact_id(prefix_of_import(%s), 1), 'Ada') returning id",
        str(with_key),
    )
    sweep = maintenance.sweep(Retention(imports=DAY))
    removed = sweep.run()
    assert removed.imports == len(DUE) + 2  # those that are undone, and the one with the key
    left = {state for state, made in old.items() if lab.exists(made)}
    assert left == set(STATES) - DUE - {"undone"}
    assert [lab.exists(made) for made in (with_key, young, waiting)] == [False, True, True]
    assert lab.traces.rows("select 1 from import_parts where import_id = %s", str(with_key)) == []
    assert lab.calls.contacts(with_key) == 1
    for request in (("GET", ""), ("DELETE", ""), ("POST", "/retry"), ("GET", "/rejections")):
        answer = client.request(request[0], f"/import/{job_id(with_key)}{request[1]}")
        assert (answer.status_code, answer.json()["code"]) == (404, "import_not_found")
    assert isinstance(lab.calls.create(**key), uuid.UUID)

    lab.traces.rows("update dramatiq.queue set state = 'done' where message_id = %s returning 1",
                    message["message_id"])  # fmt: skip
    assert sweep.run() == Expired(0, 0, 1)


@pytest.fixture(scope="module")
def keeping(supabase_env: Mapping[str, str]) -> Iterator[httpx.Client]:
    """A client of a service with limits."""
    limits = {"KEEP_OBJECTS": "30d", "KEEP_REJECTIONS": "12h", "KEEP_IMPORTS": "365d"}
    with (
        running_service(supabase_env, **limits) as service,
        httpx.Client(base_url=service.url, timeout=60) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("keep", "hours"),
    [
        (None, (30 * 24, 12, 365 * 24)),
        ("90d", (30 * 24, 12, 365 * 24)),
        ("1h", (1, 1, 365 * 24)),
    ],
)
def test_expires_at_has_what_client_and_operator_want(keeping, traces, keep, hours):
    query = {"source": SOURCE} | ({"keep": keep} if keep else {})
    sent = {"content": b"name\nAda\n", "headers": {"Content-Type": "text/csv"}}
    accepted = keeping.post("/import", params=query, **sent)
    url = accepted.raise_for_status().json()["url"]
    assert set(keeping.get(url).json()["expiresAt"].values()) == {None}
    keeping.post(f"{url}/cancel").raise_for_status()
    traces.rows("update imports set finished_at = '2100-01-01T00:00:00Z' where id = %s returning 1",
                url[-36:])  # fmt: skip
    shown = keeping.get(url).json()
    [(expected,)] = traces.rows(
        "select array_agg(to_char('2100-01-01'::timestamp + h * interval '1 hour',"
        ' \'YYYY-MM-DD"T"HH24:MI:SS"+00:00"\')) from unnest(%s) h',
        list(hours),
    )
    assert shown["expiresAt"] == dict(
        zip(("object", "rejections", "import"), expected, strict=True)
    )
    listed = keeping.get("/import", params={"source": SOURCE, "limit": 1}).json()["imports"]
    assert listed[0]["expiresAt"] == shown["expiresAt"]


@pytest.mark.parametrize("where", ["query", "form"])
def test_an_invalid_keep_is_rejected(client, where):
    if where == "query":
        sent = {"params": {"source": SOURCE, "keep": "90"}, "content": b"name\nAda\n"}
    else:
        sent = {
            "data": {"source": SOURCE, "keep": "90"}, "files": {"file": ("a.csv", "name\nAda\n")}
        }  # fmt: skip
    answer = client.post("/import", **sent)
    assert (answer.status_code, answer.json()["code"]) == (422, "keep_invalid")


def test_the_command_sweeps_with_the_times_of_the_settings(lab, supabase_env):
    old, young = lab.create(), lab.create(ago=YOUNG)
    done = subprocess.run(
        [sys.executable, "-m", "tasks", "--sweep"],
        cwd=PROJECT,
        env={**os.environ, **supabase_env, "KEEP_OBJECTS": "1d", "KEEP_IMPORTS": "365d"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said = "expired: 1 objects, rejections of 0 imports and 0 imports removed\n"
    assert done.stdout.endswith(said)
    assert [lab.has(lab.row(each)["object"]) for each in (old, young)] == [False, True]


def test_the_sweeps_are_made_by_one_worker_at_a_time(lab):
    lab.traces.rows("update sweeps set begun_at = 'epoch' where kind = 'retention' returning 1")
    claims = [lab.calls.call("begin_sweep", p_kind="retention", p_every=60) for _ in range(2)]
    assert claims == [0, None]
