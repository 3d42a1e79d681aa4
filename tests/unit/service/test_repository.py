"""Repository: the service's calls of the database's functions."""

import asyncio
from collections import deque
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from postgrest.exceptions import APIError

from core.errors import PermanentError, TransientError, UpstreamError
from core.models import Part
from core.queue_messages import import_contacts_message, notify_import_message
from core.reading.sniffing import Kind
from core.states import Format
from core.supabase.rpc import AsyncRpcClient
from service.intake.detected import detected
from service.intake.digest import Digest
from service.intake.options import ImportOptions
from service.intake.request import ImportRequest
from service.repository import ExistingImport, NewImport, Repository
from service.splitting.part_cutter import Encoding, Split
from tests.support.splits import OBJECTS, ROWS

IMPORT = UUID("01890000-0000-7000-8000-000000000000")
OTHER = UUID("01890000-0000-7000-8000-000000000001")
PARTS = [Part(1, 1, 60, 1, 2), Part(2, 61, 90, 3, 1)]
SPLIT = Split(Format.JSON, OBJECTS, 91, 3, PARTS, Encoding("utf-8"))


class FakeSupabase:
    """Answers each ``rpc(function, arguments).execute()`` with the next of its answers."""

    def __init__(self, *answers: Any) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._answers = deque(answers)

    def rpc(self, function: str, arguments: dict[str, Any]) -> "FakeSupabase":
        self.calls.append((function, arguments))
        return self

    async def execute(self) -> "FakeSupabase":
        answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        self.data = answer
        return self


def repository_on(supabase: FakeSupabase, deadline: float = 30) -> Repository:
    return Repository(AsyncRpcClient(supabase, deadline=deadline))  # type: ignore[arg-type]


def postgrest_error(code: str) -> APIError:
    return APIError({"code": code, "message": "m", "hint": None, "details": None})


REQUEST = ImportRequest(
    Kind.JSON_ENVELOPE, ImportOptions(dry_run=True, keep=60), "gzip", "k", key_name="crm"
)


def new_import(split: Split, request: ImportRequest = REQUEST) -> NewImport:
    digest = Digest()
    digest.update(b"{}")
    return NewImport(IMPORT, request, "s", "object", split, digest)


@pytest.mark.parametrize("plan", [OBJECTS, msgspec.structs.replace(ROWS, columns=3)])
async def test_create_import_records_parts_and_message(plan):
    supabase = FakeSupabase(None)
    split = replace(SPLIT, format=Format.CSV if plan.csv else Format.JSON, made_plan=plan)
    assert await repository_on(supabase).create_import(new_import(split)) is None
    [(function, arguments)] = supabase.calls
    assert function == "create_import"
    assert arguments["p_import"] == {
        "id": str(IMPORT),
        "small": False,
        "source": "s",
        "format": split.format,
        "plan": plan.to_json(),
        "object": "object",
        "bytes": 91,
        "records": 3,
        "contacts_ahead": 0,
        "detected": detected(split, "gzip"),
        "ignored": None,
        "sha256": sha256(b"{}").hexdigest(),
        "received": 2,
        "dry_run": True,
        "idempotency_key": "k",
        "fingerprint": new_import(split).fingerprint,
        "created_by": "crm",
        "notify": None,
        "keep": 60,
    }
    first = {"part": 1, "byte_start": 1, "byte_end": 60, "first_record": 1, "records": 2}
    assert arguments["p_parts"][0] == first
    sent = {key: value for key, value in arguments["p_message"].items() if "time" not in key}
    again = import_contacts_message(IMPORT)
    assert sent == {key: value for key, value in again.items() if "time" not in key}


async def test_create_import_and_join_import_return_the_existing_import():
    supabase = FakeSupabase({"id": str(IMPORT), "same": True})
    repository, new = repository_on(supabase), new_import(SPLIT)
    assert await repository.create_import(new) == ExistingImport(IMPORT, same=True)
    assert await repository.join_import(new) == ExistingImport(IMPORT, same=True)
    assert supabase.calls[1:] == [
        ("join_import", {"p_key": "k", "p_fingerprint": new.fingerprint}),
    ]


@pytest.mark.parametrize(
    ("answer", "known"), [(None, False), ({"id": str(IMPORT), "same": False}, True)]
)
async def test_has_import_joins_nothing(answer, known):
    supabase = FakeSupabase(answer)
    assert await repository_on(supabase).has_import("k") is known
    assert supabase.calls == [("join_import", {"p_key": "k", "p_fingerprint": None})]


async def test_cancel_and_undo_have_the_name_of_the_key():
    supabase = FakeSupabase({"id": str(IMPORT)})
    repository = repository_on(supabase)
    await repository.cancel_import(IMPORT, "crm")
    await repository.undo_import(IMPORT, None)
    made = [(function, arguments["p_by"]) for function, arguments in supabase.calls]
    assert made == [("cancel_import", "crm"), ("undo_import", None)]


def test_equal_requests_have_the_same_fingerprint():
    request = replace(REQUEST, key_name="another")
    other = replace(new_import(SPLIT, request), id=OTHER, object="other")
    assert other.fingerprint == new_import(SPLIT).fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "t"},
        {"split": replace(SPLIT, format=Format.CSV)},
        {"digest": Digest()},
        {"request": replace(REQUEST, options=ImportOptions(dry_run=False))},
        {"request": replace(REQUEST, compared=("map=a:name",))},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_different_requests_have_different_fingerprints(changes):
    new = new_import(SPLIT)
    assert replace(new, **changes).fingerprint != new.fingerprint


async def test_create_import_records_notify_with_its_message():
    supabase, split = FakeSupabase(None), SPLIT
    options = ImportOptions(notify="https://example.com/hook")
    request = replace(REQUEST, options=options)
    await repository_on(supabase).create_import(new_import(split, request))
    notify = supabase.calls[0][1]["p_import"]["notify"]
    assert notify["url"] == "https://example.com/hook"
    assert notify["message"]["message_id"] == notify_import_message(IMPORT)["message_id"]


TRANSIENT = [
    httpx.ConnectError("x"),
    httpx.ReadTimeout("x"),
    postgrest_error("57014"),
    postgrest_error("08006"),
    postgrest_error("PGRST001"),
    postgrest_error("503"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
async def test_transient_errors_are_retried(error):
    supabase = FakeSupabase(error, {"id": "x"})
    assert await repository_on(supabase).get_import(IMPORT) == {"id": "x"}
    assert supabase.calls == [("get_import", {"p_import": str(IMPORT)})] * 2


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
async def test_a_lasting_transient_error_is_raised(error):
    with pytest.raises(TransientError) as caught:
        await repository_on(FakeSupabase(error), 0.05).get_import(IMPORT)
    assert caught.value.upstream == "database"


@pytest.mark.parametrize(
    ("answers", "not_committed"),
    [
        ([httpx.ConnectError("x")], True),
        ([postgrest_error("PGRST000"), httpx.ConnectError("x")], True),
        ([httpx.ReadTimeout("x"), httpx.ConnectError("x")], False),
        ([httpx.ReadTimeout("x"), postgrest_error("401")], False),
        ([httpx.ConnectError("x"), postgrest_error("401")], True),
    ],
    ids=repr,
)
async def test_an_error_is_certain_only_if_no_answer_was_lost(answers, not_committed):
    with pytest.raises(UpstreamError) as caught:
        await repository_on(FakeSupabase(*answers), 0.9).get_import(IMPORT)
    assert caught.value.not_committed is not_committed


@pytest.mark.parametrize("code", ["42501", "PGRST202", "23505", "401"])
async def test_permanent_errors_are_not_retried(code):
    supabase = FakeSupabase(postgrest_error(code))
    with pytest.raises(PermanentError) as caught:
        await repository_on(supabase).discard_import(IMPORT, 30)
    assert (caught.value.upstream, len(supabase.calls)) == ("database", 1)


async def test_a_database_that_hangs_is_a_timeout():
    with pytest.raises(TransientError) as caught:
        await repository_on(FakeSupabase(asyncio.Event()), 0.05).get_import(IMPORT)
    assert caught.value.upstream == "database"


async def test_check_is_not_retried():
    supabase = FakeSupabase(httpx.ConnectError("x"))
    with pytest.raises(TransientError):
        await repository_on(supabase).check()
    assert [function for function, _ in supabase.calls] == ["queue_ready"]
