"""The repository's calls of SQL functions, and what it makes of their answers."""

import json
from collections import Counter
from uuid import uuid4

import httpx
import pytest

from core.errors import (
    BatchTooLargeError,
    InvalidTransitionError,
    PermanentError,
    TransientError,
)
from core.field_names import FieldNames
from core.ids import new_import_id
from core.models import Part
from core.queue_messages import import_contacts_message, import_part_message
from core.states import Format, ImportState
from tasks.errors import ImportCancelledError, StaleAttemptError
from tasks.importing.models import (
    Attempt,
    NeedsExclusiveRun,
    PartCancelled,
    PartCounts,
    PartEnd,
    PartGivenUp,
    PartWork,
    StartedImport,
)
from tests.support.plans import rows_plan
from tests.unit.tasks.fakes import IMPORT, FakePostgrest, work_on

ATTEMPT = work_on(b"x", records=3, part=2).attempt
IDS = {"p_import": str(IMPORT), "p_part": 2, "p_attempt": str(ATTEMPT.id)}
FOURTH = Attempt(IMPORT, 4)
OTHER_IMPORT, MESSAGE = new_import_id(), uuid4()
WHERE = {"import": str(OTHER_IMPORT), "part": 7}
"""The part that the database gives to the attempt."""
FOUND = Attempt(OTHER_IMPORT, 7, FOURTH.id)
END = {"moved": True, "state": "completed", "closed": True, "seconds": 2.5}


def test_start_import_returns_the_parts_that_are_waiting():
    postgrest = FakePostgrest(
        {"state": "importing", "parts": [1, 3], "generation": 2, "small": True}
    )
    started = StartedImport(ImportState.IMPORTING, (1, 3), 2, is_small=True)
    assert postgrest.repository().start_import(IMPORT) == started
    assert postgrest.calls == [("start_import", {"p_import": str(IMPORT)})]


def test_start_import_returns_none_for_an_unknown_import():
    assert FakePostgrest(None).repository().start_import(IMPORT) is None


@pytest.mark.parametrize("is_small", [False, True])
def test_queue_parts_queues_a_message_for_each(is_small):
    postgrest = FakePostgrest(None)
    started = StartedImport(ImportState.IMPORTING, (2, 5), 3, is_small=is_small)
    postgrest.repository().queue_parts(IMPORT, started)
    [(_, sent)] = postgrest.calls
    expected = [import_part_message(IMPORT, part, 3, is_small=is_small) for part in (2, 5)]
    ids = [(message["queue_name"], message["message_id"]) for message in sent["p_messages"]]
    assert ids == [(message["queue_name"], message["message_id"]) for message in expected]


def test_start_part_returns_the_work_which_may_be_another_part_than_the_named_one():
    started = {
        **WHERE,
        "source": "fair", "format": "csv",
        "plan": {"fields": 1, "name": None, "email": 0, "header": ["Mail"]},
        "object": "o.csv", "object_bytes": 99,
        "byte_start": 5, "byte_end": 9, "first_record": 11, "records": 2,
        "dry_run": True, "rerun": True, "traceparent": "00-a-b-01",
        "contact_prefix": "01a2072c-a553-80c3-afd6-2ab",
    }  # fmt: skip
    postgrest = FakePostgrest(started)
    work = postgrest.repository().start_part(
        FOURTH, MESSAGE, exclusive=False, ended_attempts=[ATTEMPT.id]
    )
    assert isinstance(work, PartWork)
    assert (work.import_id, work.source, work.object) == (OTHER_IMPORT, "fair", "o.csv")
    assert work.object_bytes == 99
    assert (work.format, work.plan) == (Format.CSV, rows_plan(1, None, 0, ("Mail",)))
    assert work.attempt == Attempt(OTHER_IMPORT, 7, FOURTH.id)
    assert work.attempt.traceparent == "00-a-b-01"
    assert (work.dry_run, work.rerun) == (True, True)
    assert work.contact_prefix == "01a2072c-a553-80c3-afd6-2ab"
    assert work.part == Part(part=7, byte_start=5, byte_end=9, first_record=11, records=2)
    assert postgrest.calls[0][1] == {
        "p_import": str(IMPORT), "p_part": 4, "p_attempt": str(FOURTH.id), "p_max_attempts": 5,
        "p_alone": False, "p_ended": [str(ATTEMPT.id)], "p_message": str(MESSAGE),
        "p_takes_prefix": True,
    }  # fmt: skip


def test_start_part_that_is_called_again_names_the_same_attempt():
    postgrest = FakePostgrest(httpx.Response(503), None)
    postgrest.repository().start_part(FOURTH, MESSAGE, exclusive=True)
    first, again = postgrest.calls
    assert first == again


def test_start_part_returns_none_if_no_part_is_left():
    assert FakePostgrest(None).repository().start_part(FOURTH, MESSAGE, exclusive=True) is None


def test_start_part_returns_the_end_of_a_part_that_is_given_up():
    postgrest = FakePostgrest(WHERE | {"given_up": END})
    given_up = postgrest.repository().start_part(FOURTH, MESSAGE, exclusive=True)
    assert given_up == PartGivenUp(FOUND, PartEnd(True, ImportState.COMPLETED, True, 2.5))


def test_start_part_says_that_a_part_needs_an_exclusive_run():
    postgrest = FakePostgrest(WHERE | {"suspect": True})
    start = postgrest.repository().start_part(FOURTH, MESSAGE, exclusive=False)
    assert start == NeedsExclusiveRun(FOUND)


def test_finish_part_sends_the_counts():
    postgrest = FakePostgrest(END)
    end = postgrest.repository().finish_part(
        ATTEMPT, PartCounts(2, Counter(a=3, b=4), Counter(footer=1), ignored=FieldNames(["phone"]))
    )
    assert end == PartEnd(True, ImportState.COMPLETED, True, 2.5)
    counts = {
        "p_imported": 2,
        "p_rejected": 7,
        "p_skipped": {"footer": 1},
        "p_warnings": None,
        "p_ignored": ["phone"],
    }
    assert postgrest.calls == [("finish_part", {**IDS, **counts})]


def test_fail_part_sends_the_reason():
    postgrest = FakePostgrest({**END, "state": "failed", "seconds": None})
    end = postgrest.repository().fail_part(ATTEMPT, "code", "detail")
    assert (end.import_state, end.import_seconds) == (ImportState.FAILED, None)
    assert postgrest.calls[0][1] == {**IDS, "p_code": "code", "p_failure": "detail"}


def test_a_part_of_an_import_that_is_being_cancelled_is_cancelled():
    answer = {**END, "state": "cancelling", "closed": False}
    postgrest = FakePostgrest(WHERE | {"cancelled": answer}, answer)
    end = PartEnd(True, ImportState.CANCELLING, False, 2.5)
    start = postgrest.repository().start_part(FOURTH, None, exclusive=False)
    assert start == PartCancelled(FOUND, end)
    assert postgrest.repository().cancel_part(ATTEMPT) == end
    assert postgrest.calls[1] == ("cancel_part", IDS)


@pytest.mark.parametrize("retries", [3, None])
def test_postpone_part_returns_the_number_of_retries(retries):
    postgrest = FakePostgrest(retries)
    assert postgrest.repository().postpone_part(ATTEMPT, unavailable=True) == retries
    assert postgrest.calls == [("postpone_part", {**IDS, "p_away": True})]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("PT409", InvalidTransitionError), ("CI001", InvalidTransitionError),
        ("CI002", ImportCancelledError), ("CI003", StaleAttemptError),
    ],
)  # fmt: skip
def test_a_refused_transition_raises_the_error_for_its_sqlstate(code, error):
    answer = httpx.Response(400, json={"code": code, "message": "it is failed"})
    with pytest.raises(error, match="it is failed") as raised:
        FakePostgrest(answer).repository().finish_part(ATTEMPT, PartCounts())
    assert type(raised.value) is error


def test_contacts_among_returns_the_records_that_are_contacts():
    postgrest = FakePostgrest([2, 9])
    assert postgrest.repository().contacts_among(IMPORT, [1, 2, 9]) == {2, 9}
    arguments = {"p_import": str(IMPORT), "p_records": [1, 2, 9]}
    assert postgrest.calls == [("contacts_among", arguments)]


def test_a_revoked_key_is_a_permanent_error():
    answer = httpx.Response(401, json={"code": "PGRST301", "message": "JWT expired"})
    with pytest.raises(PermanentError):
        FakePostgrest(answer).repository().start_import(IMPORT)


def test_a_call_whose_answer_was_lost_is_repeated():
    postgrest = FakePostgrest(httpx.Response(503), END)
    postgrest.repository().finish_part(ATTEMPT, PartCounts())
    assert len(postgrest.calls) == 2


def test_a_call_raises_the_transient_error_at_its_deadline():
    with pytest.raises(TransientError):
        FakePostgrest(*[httpx.Response(503)] * 9).repository(deadline=0.01).start_import(IMPORT)


@pytest.mark.parametrize("until", [0.0, 1795416631.5, None])
def test_begin_sweep_returns_where_the_last_sweep_ended_or_none(until):
    postgrest = FakePostgrest(until)
    assert postgrest.repository().begin_sweep("objects", 60.0) == until
    assert postgrest.calls == [("begin_sweep", {"p_kind": "objects", "p_every": 60.0})]


def test_end_sweep_records_how_far_it_came():
    postgrest = FakePostgrest(None)
    postgrest.repository().end_sweep("objects", 5.0)
    assert postgrest.calls == [("end_sweep", {"p_kind": "objects", "p_until": 5.0})]


def test_lost_imports_are_read_in_pages_each_after_the_last_id():
    ids = [new_import_id() for _ in range(3)]
    postgrest = FakePostgrest([str(ids[0]), str(ids[1])], [str(ids[2])], [])
    assert list(postgrest.repository().lost_imports()) == [ids[:2], ids[2:]]
    after = [arguments["p_after"] for _, arguments in postgrest.calls]
    assert [text[:8] for text in after] == ["00000000", str(ids[1])[:8], str(ids[2])[:8]]


def test_queue_imports_queues_the_message_that_the_import_had():
    postgrest = FakePostgrest(None)
    postgrest.repository().queue_imports([IMPORT])
    ((name, arguments),) = postgrest.calls
    (message,) = arguments["p_messages"]
    wanted = json.loads(json.dumps(import_contacts_message(IMPORT)))
    assert name == "queue_messages"
    assert message | {"message_timestamp": 0} == wanted | {"message_timestamp": 0}


def test_queue_undos_is_left_to_the_database():
    postgrest = FakePostgrest(None)
    postgrest.repository().queue_undos()
    assert postgrest.calls == [("queue_undos", {})]


def test_known_imports_returns_the_ids_of_imports():
    postgrest = FakePostgrest([str(IMPORT)])
    assert postgrest.repository().known_imports([IMPORT, new_import_id()]) == {IMPORT}


def test_an_undo_calls_its_functions():
    postgrest = FakePostgrest("object", None, True, False, None)
    repository = postgrest.repository()
    assert repository.object_to_undo(IMPORT) == "object"
    assert repository.object_to_undo(IMPORT) is None
    assert repository.undo_some(IMPORT, 5) is True
    assert repository.undo_some(IMPORT, 5) is False
    repository.finish_undo(IMPORT)
    assert [name for name, _ in postgrest.calls] == [
        "object_to_undo", "object_to_undo", "undo_some", "undo_some", "finish_undo",
    ]  # fmt: skip
    assert postgrest.calls[2][1] == {"p_import": str(IMPORT), "p_limit": 5}


def test_undo_some_raises_at_once_after_a_statement_timeout():
    timeout = httpx.Response(500, json={"code": "57014", "message": "canceling statement"})
    postgrest = FakePostgrest(httpx.Response(503), timeout)
    with pytest.raises(BatchTooLargeError):
        postgrest.repository().undo_some(IMPORT, 5)
    assert postgrest.answers == []


def test_show_end_returns_the_event_or_none():
    found = {"id": str(IMPORT), "state": "failed", "finished_at": "2026-11-26T06:00:02+00:00"}
    postgrest = FakePostgrest({"url": "https://example.com/hook", "import": found}, None)
    event = postgrest.repository().show_end(IMPORT)
    assert (event.url, event.state, event.has_ended) == ("https://example.com/hook", "failed", True)
    assert postgrest.repository().show_end(IMPORT) is None
    assert postgrest.calls == [("show_end", {"p_import": str(IMPORT)})] * 2
