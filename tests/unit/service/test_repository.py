"""Calls of the database's functions, as the service makes them."""

import asyncio
from collections import deque
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
import pytest
from postgrest.exceptions import APIError

from core.errors import PermanentError, TransientError, UpstreamError
from core.messages import import_contacts_message, notify_import_message
from core.models import Layout, Part
from core.states import Format
from core.supabase.rpc import AsyncRpcClient
from service.intake.digest import Digest
from service.intake.options import Options
from service.repository import ExistingImport, NewImport, Repository
from service.splitting.part_cutter import Split

IMPORT = UUID("01890000-0000-7000-8000-000000000000")
OTHER = UUID("01890000-0000-7000-8000-000000000001")
PARTS = [Part(1, 1, 60, 1, 2), Part(2, 61, 90, 3, 1)]
SPLIT = Split(Format.JSON, None, 91, 3, PARTS)


class FakeSupabase:
    """Answers to ``rpc(function, arguments).execute()`` with what is next in line."""

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


def ledger_on(supabase: FakeSupabase, deadline: float = 30) -> Repository:
    return Repository(AsyncRpcClient(supabase, deadline=deadline))  # type: ignore[arg-type]


def postgrest_error(code: str) -> APIError:
    return APIError({"code": code, "message": "m", "hint": None, "details": None})


LAYOUT = Layout(3, None, 2, ("a", "b", "mail"))


def new_import(split: Split) -> NewImport:
    receipt = Digest()
    receipt.note(b"{}")
    return NewImport(IMPORT, "s", "object", split, receipt, Options("k", dry_run=True), "gzip")


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        (None, None),
        (Layout(3, None, 2, ("a", "b", "mail")), Layout(3, None, 2, ("a", "b", "mail")).to_json()),
    ],
)
async def test_an_import_is_recorded_with_its_parts_and_message(layout, told):
    supabase = FakeSupabase(None)
    kind = Format.CSV if layout else Format.JSON
    split = Split(kind, layout, 91, 3, PARTS, {"encoding": "utf-8"}, ["phone"])
    assert await ledger_on(supabase).create_import(new_import(split)) is None
    [(function, arguments)] = supabase.calls
    assert function == "create_import"
    assert arguments["p_import"] == {
        "id": str(IMPORT),
        "source": "s",
        "format": split.format,
        "layout": told,
        "object": "object",
        "bytes": 91,
        "records": 3,
        "detected": {"encoding": "utf-8", "compression": "gzip"},
        "ignored": ["phone"],
        "sha256": sha256(b"{}").hexdigest(),
        "received": 2,
        "dry_run": True,
        "idempotency_key": "k",
        "fingerprint": new_import(split).fingerprint,
        "notify": None,
    }
    first = {"part": 1, "byte_start": 1, "byte_end": 60, "first_record": 1, "records": 2}
    assert arguments["p_parts"][0] == first
    sent = {key: value for key, value in arguments["p_message"].items() if "time" not in key}
    again = import_contacts_message(IMPORT)
    assert sent == {key: value for key, value in again.items() if "time" not in key}


async def test_an_import_of_the_same_key_is_told():
    supabase = FakeSupabase({"id": str(IMPORT), "same": True})
    repository, new = ledger_on(supabase), new_import(SPLIT)
    assert await repository.create_import(new) == ExistingImport(IMPORT, same=True)
    assert await repository.join_import(new) == ExistingImport(IMPORT, same=True)
    assert supabase.calls[1:] == [
        ("join_import", {"p_key": "k", "p_fingerprint": new.fingerprint}),
    ]


@pytest.mark.parametrize(
    ("told", "known"), [(None, False), ({"id": str(IMPORT), "same": False}, True)]
)
async def test_whether_a_key_is_known_joins_nothing(told, known):
    supabase = FakeSupabase(told)
    assert await ledger_on(supabase).knows("k") is known
    assert supabase.calls == [("join_import", {"p_key": "k", "p_fingerprint": None})]


def test_equal_requests_have_one_fingerprint():
    other = replace(new_import(SPLIT), id=OTHER, object="other")
    assert other.fingerprint == new_import(SPLIT).fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "t"},
        {"split": Split(Format.CSV, None, 91, 3, PARTS)},
        {"receipt": Digest()},
        {"options": Options("k", dry_run=False)},
        {"options": Options("k", dry_run=True, asked=("map=a:name",))},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_makes_another_request_of_it(changes):
    new = new_import(SPLIT)
    assert replace(new, **changes).fingerprint != new.fingerprint


async def test_whom_to_tell_is_recorded_with_the_message_that_does_so():
    supabase, split = FakeSupabase(None), Split(Format.JSON, None, 91, 3, PARTS, {}, [])
    asked = Options(notify="https://example.com/hook")
    await ledger_on(supabase).create_import(replace(new_import(split), options=asked))
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
async def test_what_may_pass_is_tried_again(error):
    supabase = FakeSupabase(error, {"id": "x"})
    assert await ledger_on(supabase).get_import(IMPORT) == {"id": "x"}
    assert supabase.calls == [("get_import", {"p_import": str(IMPORT)})] * 2


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
async def test_what_does_not_pass_is_told_in_the_end(error):
    with pytest.raises(TransientError) as caught:
        await ledger_on(FakeSupabase(error), 0.05).get_import(IMPORT)
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
async def test_one_lost_answer_among_all_tries_leaves_open_whether_it_was_done(
    answers, not_committed
):
    with pytest.raises(UpstreamError) as caught:
        await ledger_on(FakeSupabase(*answers), 0.9).get_import(IMPORT)
    assert caught.value.not_committed is not_committed


@pytest.mark.parametrize("code", ["42501", "PGRST202", "23505", "401"])
async def test_what_stays_is_not_tried_again(code):
    supabase = FakeSupabase(postgrest_error(code))
    with pytest.raises(PermanentError) as caught:
        await ledger_on(supabase).discard_import(IMPORT, 30)
    assert (caught.value.upstream, len(supabase.calls)) == ("database", 1)


async def test_a_database_that_hangs_is_given_up():
    with pytest.raises(TransientError) as caught:
        await ledger_on(FakeSupabase(asyncio.Event()), 0.05).get_import(IMPORT)
    assert caught.value.upstream == "database"


async def test_a_check_is_asked_once():
    supabase = FakeSupabase(httpx.ConnectError("x"))
    with pytest.raises(TransientError):
        await ledger_on(supabase).check()
    assert [function for function, _ in supabase.calls] == ["queue_ready"]
