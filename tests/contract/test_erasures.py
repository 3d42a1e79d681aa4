"""Erasures: an address is removed from contacts and rejections, and what was done is kept without.

A service with keys takes the requests, and the worker's code does the work in this process.
"""

import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from core.ids import job_id
from core.rejection_objects import (
    CONTENT_TYPE,
    Rejection,
    RejectionReader,
    RejectionWriter,
    rejections_folder,
)
from service.keys.api_key import make_key
from service.keys.scopes import Scope
from tasks.erasures import erase_address
from tasks.erasures import repository as erasures
from tests.contract.repository_calls import PART, Repository
from tests.support.leftovers import database, remove_messages, storage_client
from tests.support.maintenance import Maintenance, maintenance_of
from tests.support.service import PROJECT, Line, Service, running_service
from tests.support.traces import Traces

ERASER, ERASER_KEY = make_key("privacy", [Scope.ERASE])
READER, READER_KEY = make_key("crm", [Scope.READ, Scope.UNDO, Scope.IMPORT])
TABLES = """
    select format('%%I.%%I', schemaname, tablename) from pg_tables
    where schemaname in ('public', 'dramatiq')
"""


@dataclass
class Lab:
    """A service with keys, and imports with contacts and rejections."""

    service: Service
    calls: Repository
    traces: Traces
    storage: httpx.Client
    maintenance: Maintenance
    objects: list[str] = field(default_factory=list)
    erasures: list[str] = field(default_factory=list)
    contacts: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, key: str = ERASER, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.request(method, self.service.url + path, headers=headers, **more)

    def erase(self, email: str, **more: Any) -> dict[str, Any]:
        """Ask for an erasure, do its work, and return how it is then."""
        answer = self.ask("POST", "/erasures", json={"email": email, **more})
        assert answer.status_code == 202, answer.text
        asked = answer.json()
        self.erasures.append(asked["erasureId"])
        assert answer.headers["Location"] == f"/erasures/{asked['erasureId']}"
        assert (asked["state"], asked["contacts"], asked["createdBy"]) == ("queued", 0, "privacy")
        self.work()
        shown: dict[str, Any] = self.ask("GET", answer.headers["Location"]).json()
        return shown

    def rows_per_batch(self, table: str, batches: int) -> int:
        """Return the size of so many batches: other tests leave rows in the table, or many."""
        [(rows,)] = self.traces.rows(f"select count(*) from {table}")
        return max(2, -(-rows // batches))

    def work(self) -> None:
        self.maintenance.eraser()(uuid.UUID(self.erasures[-1]))

    def create(
        self, state: str = "completed", *, emails: tuple[str, ...] = (), **more: Any
    ) -> uuid.UUID:
        """Make an import with a stored file, and with contacts and rejections of its own."""
        made = self.calls.create(parts=1, object=f"{uuid.uuid4()}.json", **more)
        assert isinstance(made, uuid.UUID)
        self.put(self.traces.import_row(job_id(made))["object"], b"1")
        self.calls.begin(made, 1)
        for record, email in enumerate(emails, 1):
            self.contact(email, made, record)
        if state == "completed":
            self.calls.finish(made, 1)
        elif state == "failed":
            self.calls.fail(made, 1)
        return made

    def contact(self, email: str, made: uuid.UUID | None = None, record: int = 1) -> None:
        statement = (
            "insert into contacts (id, name, email) "
            "values (coalesce(contact_id(prefix_of_import(%s), %s), gen_random_uuid()), 'x', %s) "
            "returning id"
        )
        identifier = None if made is None else str(made)
        [(contact,)] = self.traces.rows(statement, identifier, record, email)
        self.contacts.append(str(contact))

    def reject(self, made: uuid.UUID, record: int, content: str) -> None:
        statement = (
            "insert into import_rejections (import_id, record, part, code, message, content) "
            "values (%s, %s, 1, 'c', 'm', %s) returning 1"
        )
        self.traces.rows(statement, str(made), record, content)

    def store_rejections(self, made: uuid.UUID, contents: Mapping[int, str]) -> str:
        writer = RejectionWriter()
        writer.add([Rejection(record, "c", "m", text) for record, text in contents.items()])
        name = f"{rejections_folder(made)}/000001-{min(contents)}.ndjson.zst"
        self.put(name, writer.close(), CONTENT_TYPE)
        statement = (
            "insert into import_rejection_objects values (%s, 1, %s, %s, '{}', %s) returning 1"
        )
        self.traces.rows(statement, str(made), min(contents), max(contents), name)
        return name

    def stored_rejections(self, name: str) -> list[int]:
        reader = RejectionReader()
        content = self.storage.get(f"/object/imports/{name}").raise_for_status().content
        return [each.record for batch in reader.feed(content) for each in batch]

    def put(self, name: str, content: bytes, content_type: str = "application/json") -> None:
        self.objects.append(name)
        headers = {"Content-Type": content_type}
        self.storage.post(
            f"/object/imports/{name}", content=content, headers=headers
        ).raise_for_status()

    def has(self, name: str) -> bool:
        return self.storage.get(f"/object/imports/{name}").status_code == 200

    def records(self, made: uuid.UUID) -> list[int]:
        statement = "select record from import_rejections where import_id = %s order by record"
        return [record for (record,) in self.traces.rows(statement, str(made))]

    def emails(self) -> list[str]:
        """Return the addresses of the contacts that the test has made and that are left."""
        statement = "select email from contacts where id = any(%s::uuid[])"
        return sorted(email for (email,) in self.traces.rows(statement, self.contacts))

    def everywhere(self) -> str:
        """Return all rows of all tables, in lower case."""
        rows = [
            row
            for (table,) in self.traces.rows(TABLES)
            for (row,) in self.traces.rows(f"select lower(t::text) from {table} t")
        ]
        return "\n".join(rows)

    def logged(self) -> str:
        lines: list[Line] = []
        while not self.service.lines.empty():
            lines.append(self.service.lines.get_nowait())
        return json.dumps(lines).lower()


@pytest.fixture(scope="module")
def keyed(
    supabase_env: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text(f"{ERASER_KEY.line}\n{READER_KEY.line}\n")
    with running_service(supabase_env, API_KEYS_FILE=str(path), LOG_LEVEL="debug") as service:
        yield service


@pytest.fixture(scope="module")
def maintenance(supabase_env: Mapping[str, str]) -> Iterator[Maintenance]:
    with maintenance_of(supabase_env) as maintenance:
        yield maintenance


@pytest.fixture
def lab(
    supabase_env: Mapping[str, str],
    keyed: Service,
    repository: Repository,
    maintenance: Maintenance,
) -> Iterator[Lab]:
    keyed.forget_lines()
    with (
        storage_client(supabase_env) as storage,
        contextlib.closing(Traces(supabase_env)) as traces,
        database(supabase_env) as cursor,
    ):
        lab = Lab(keyed, repository, traces, storage, maintenance)
        yield lab
        storage.request("DELETE", "/object/imports", json={"prefixes": lab.objects})
        cursor.execute("delete from erasures where id = any(%s::uuid[])", [lab.erasures])
        cursor.execute("delete from contacts where id = any(%s::uuid[])", [lab.contacts])
        cursor.execute("select message_id::text from dramatiq.queue where message ->> 'actor_name'"
                       " = 'erase_address'")  # fmt: skip
        remove_messages(supabase_env, [message for (message,) in cursor.fetchall()])


def an_address() -> tuple[str, str]:
    """Return an address that nothing else has, and its beginning."""
    name = f"ada.{uuid.uuid4().hex[:12]}"
    return f"{name}@example.com", name


@pytest.mark.parametrize("batches", [1, 20], ids=["at once", "in batches"])
def test_an_address_is_erased_and_nothing_else(lab, batches):
    email, name = an_address()
    others = [f"x{email}", f"{email}.au", "grace@example.com"]
    holding = lab.create(emails=(email, others[0], email.upper()), contacts_ahead=600)
    for other in (email.title(), others[1], others[2]):
        lab.contact(other)  # another software's
    failed, clean = lab.create("failed"), lab.create(emails=("grace@example.com",))
    escaped = email.replace("@", "\\u0040")
    contents = [
        f'{{"email": "{escaped}"}}', f"Ada;{email.upper()};;;", others[0], others[1], "\\u0041",
    ]  # fmt: skip
    for record, content in enumerate(contents, 1):
        lab.reject(failed, record, content)
    stored = lab.store_rejections(failed, {6: f"<{email}>", 7: "else", 8: f"a,{email}"})

    with (
        patch.object(erase_address, "MAX_CONTACTS", lab.rows_per_batch("contacts", batches)),
        patch.object(erasures, "_REJECTIONS", lab.rows_per_batch("import_rejections", batches)),
        patch.object(erasures, "_OBJECTS", 1),
    ):
        shown = lab.erase(f" {email.title()} ")

    assert lab.emails() == sorted([*others, "grace@example.com"])
    assert lab.records(failed) == [3, 4, 5]
    assert lab.stored_rejections(stored) == [7]
    assert shown["finishedAt"] is not None
    assert {key: shown[key] for key in ("state", "contacts", "rejections", "objectsRemoved")} == {
        "state": "completed", "contacts": 3, "rejections": 4, "objectsRemoved": 0,
    }  # fmt: skip
    assert set(shown["objects"]) == {job_id(holding), job_id(failed)}
    assert (shown["moreObjects"], "failure" in shown) == (False, False)
    assert lab.has(lab.traces.import_row(job_id(clean))["object"])
    left = lab.everywhere().replace(f"x{email}", "").replace(f"{email}.au", "")
    assert email not in left
    assert name not in lab.logged()


def test_a_worker_takes_it_from_the_queue_and_logs_no_address(lab, supabase_env):
    email, name = an_address()
    lab.contact(email)
    lab.reject(lab.create("failed"), 1, email)
    answer = lab.ask("POST", "/erasures", json={"email": email})
    lab.erasures.append(answer.json()["erasureId"])
    done = subprocess.run(
        [sys.executable, "-m", "tasks", "--once"],
        cwd=PROJECT,
        env={**os.environ, **supabase_env, "LOG_LEVEL": "debug", "LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    shown = lab.ask("GET", f"/erasures/{lab.erasures[0]}").json()
    assert (shown["state"], shown["contacts"], shown["rejections"]) == ("completed", 1, 1)
    assert "erasure completed" in done.stderr
    assert name not in done.stdout + done.stderr


def test_objects_that_may_have_the_address_are_removed_if_asked(lab):
    email, _ = an_address()
    failed, running = lab.create("failed", emails=(email,)), lab.create("running", emails=(email,))
    shown = lab.erase(email, objects="remove")
    assert (shown["objectsRemoved"], shown["objects"]) == (1, [job_id(running)])
    assert shown["concurrentImports"] >= 1
    objects = [lab.traces.import_row(job_id(each))["object"] for each in (failed, running)]
    assert [lab.has(each) for each in objects] == [False, True]
    retry = lab.ask("POST", f"/import/{job_id(failed)}/retry", READER)
    assert (retry.status_code, retry.json()["code"]) == (410, "object_expired")


def test_rejections_of_a_part_that_is_being_imported_are_left_to_it(lab):
    """They are counted when it ends: if one were missing, it could not end."""
    email, _ = an_address()
    running = lab.create("running")
    lab.reject(running, 1, email)
    assert lab.erase(email)["rejections"] == 0
    lab.calls.finish(running, 1, imported=PART - 1)
    assert lab.calls.state(running) == "completed"
    shown = lab.erase(email)
    assert (shown["rejections"], shown["objects"]) == (1, [job_id(running)])


def test_an_erasure_goes_on_where_it_was_and_counts_once(lab):
    email, _ = an_address()
    made = lab.create(emails=(email, email, email))
    lab.reject(made, 9, email)
    answer = lab.ask("POST", "/erasures", json={"email": email})
    lab.erasures.append(answer.json()["erasureId"])
    [erasure_id] = lab.erasures
    repository = erasures.ErasureRepository(lab.maintenance.rpc)
    size = lab.rows_per_batch("contacts", 20)
    while repository.erase_contacts(uuid.UUID(erasure_id), size):
        pass
    page = repository.next_rejections(uuid.UUID(erasure_id))
    while page is not None:
        places = [each.place for each in page.rejections]
        for _ in range(2):
            repository.erase_rejections(uuid.UUID(erasure_id), page.until, places)
        page = repository.next_rejections(uuid.UUID(erasure_id))
    for _ in range(2):
        lab.work()
    shown = lab.ask("GET", f"/erasures/{erasure_id}").json()
    assert (shown["state"], shown["contacts"], shown["rejections"]) == ("completed", 3, 1)


def test_a_lost_message_is_queued_again_until_the_erasure_has_ended(lab):
    email, _ = an_address()
    answer = lab.ask("POST", "/erasures", json={"email": email})
    lab.erasures.append(answer.json()["erasureId"])
    query = "select message from dramatiq.queue where message #>> '{args,0}' = %s"
    [(message,)] = lab.traces.rows(query, lab.erasures[0])
    assert (message["actor_name"], email in json.dumps(message)) == ("erase_address", False)
    delete = "delete from dramatiq.queue where message #>> '{args,0}' = %s returning 1"
    lab.traces.rows(delete, lab.erasures[0])
    lab.calls.call("queue_erasures")
    assert lab.traces.rows(query, lab.erasures[0]) == [(message,)]
    lab.work()
    lab.traces.rows(delete, lab.erasures[0])
    lab.calls.call("queue_erasures")
    assert lab.traces.rows(query, lab.erasures[0]) == []


def test_an_index_on_the_address_is_used_if_there_is_one(lab):
    email, _ = an_address()
    for each in (email, email.upper(), "grace@example.com"):
        lab.contact(each)
    lab.traces.rows("create index contacts_email_test_idx on contacts (lower(email));"
                    "select public.has_email_index()")  # fmt: skip
    try:
        with patch.object(erase_address, "MAX_CONTACTS", 1):
            shown = lab.erase(email)
        untouched = "select contacts_until from erasures where id = %s"
        assert lab.traces.rows(untouched, lab.erasures[0]) == [(str(uuid.UUID(int=0)),)]
    finally:
        lab.traces.rows("drop index contacts_email_test_idx; select 1")
    assert (shown["contacts"], lab.emails()) == (2, ["grace@example.com"])


def test_an_erasure_that_the_database_refuses_says_why_and_forgets_the_address(lab):
    email, name = an_address()
    lab.contact(email)
    lab.traces.rows(
        "create table referring (id uuid references contacts);"
        "insert into referring values (%s) returning 1",
        lab.contacts[0],
    )
    try:
        shown = lab.erase(email)
    finally:
        lab.traces.rows("drop table referring; select 1")
    assert (shown["state"], shown["failure"]["code"]) == ("failed", "erasure_refused")
    assert "23503" in shown["failure"]["detail"]
    assert lab.emails() == [email]
    assert lab.everywhere().count(name) == 1  # the contact
    assert lab.erase(email)["contacts"] == 1


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"json": {}}, (422, "erasure_invalid")),
        ({"json": []}, (422, "erasure_invalid")),
        ({"json": {"email": 1}}, (422, "erasure_invalid")),
        ({"json": {"email": "ada"}}, (422, "erasure_invalid")),
        ({"json": {"email": "a@b.example", "objects": "rewrite"}}, (422, "erasure_invalid")),
        ({"json": {"email": "a@b.example", "more": 1}}, (422, "erasure_invalid")),
        ({"content": b"{"}, (400, "malformed_json")),
        ({"content": b"[" * 4000}, (422, "erasure_invalid")),
        ({"content": b" " * 5000}, (413, "body_too_large")),
        ({"data": {"email": "a@b.example"}}, (415, "unsupported_media_type")),
        ({"json": {"email": "a@b.example"}, "params": {"email": "x"}}, (422, "unknown_option")),
    ],
)
def test_an_invalid_erasure_is_rejected(lab, sent, expected):
    key = {"Authorization": f"Bearer {ERASER}"}
    if "content" in sent:
        key["Content-Type"] = "application/json"
    answer = httpx.post(f"{lab.service.url}/erasures", headers=key, **sent)
    assert (answer.status_code, answer.json()["code"]) == expected


def test_an_erasure_needs_a_key_with_its_own_scope(lab, client):
    sent = {"json": {"email": "ada@example.com"}}
    for key, expected in ((READER, 403), ("", 401)):
        assert lab.ask("POST", "/erasures", key, **sent).status_code == expected
        assert lab.ask("GET", f"/erasures/{uuid.uuid4()}", key).status_code == expected
    answer = client.post("/erasures", **sent)  # a service without keys
    assert (answer.status_code, answer.json()["code"]) == (403, "erasures_disabled")


@pytest.mark.parametrize("erasure_id", [str(uuid.uuid4()), str(uuid.uuid4()).upper(), "x"])
def test_an_unknown_erasure_is_404(lab, erasure_id):
    answer = lab.ask("GET", f"/erasures/{erasure_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "erasure_not_found")
