import json
from collections import Counter

import httpx
import pytest
from supabase import Client, ClientOptions

from core.errors import InvalidTransitionError, PermanentError, TransientError
from core.field_names import FieldNames
from core.messages import import_part_message
from core.models import Layout, Part
from core.states import Format, ImportState
from core.supabase.rpc import RpcClient
from tasks.errors import ImportCancelledError, StaleAttemptError
from tasks.importing.models import Attempt, PartCounts, PartWork
from tasks.repository import GivenUp, PartEnd, Repository, StartedImport, Stopped, Suspect
from tests.unit.tasks.fakes import IMPORT, work_on


class FakeFunctions:
    """Answers rpc calls with the values given, in turn; Responses go out as they are."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []

    def __call__(self, request):
        self.calls.append((request.url.path.rpartition("/")[2], json.loads(request.content)))
        answer = self.answers.pop(0)
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(200, content=json.dumps(answer))

    def repository(self, deadline=5):
        http = httpx.Client(transport=httpx.MockTransport(self))
        supabase = Client("http://supabase", "key", ClientOptions(httpx_client=http))
        return Repository(RpcClient(supabase, deadline=deadline), part_attempts=5)


WORK = work_on(b"x", records=3, part=2).attempt
IDS = {"p_import": str(IMPORT), "p_part": 2, "p_attempt": str(WORK.id)}
FOURTH = Attempt(IMPORT, 4)
END = {"moved": True, "state": "completed", "closed": True, "seconds": 2.5}


def test_an_import_is_started():
    functions = FakeFunctions({"state": "importing", "parts": [1, 3], "generation": 2})
    started = StartedImport(ImportState.IMPORTING, (1, 3), 2)
    assert functions.repository().start_import(IMPORT) == started
    assert functions.calls == [("start_import", {"p_import": str(IMPORT)})]


def test_an_unknown_import_is_none():
    assert FakeFunctions(None).repository().start_import(IMPORT) is None


def test_parts_are_queued_with_one_message_each_a_thousand_at_a_time():
    functions = FakeFunctions(None, None, None)
    started = StartedImport(ImportState.IMPORTING, tuple(range(1, 2002)), 3)
    functions.repository().queue_parts(IMPORT, started)
    sent = [call[1]["p_messages"] for call in functions.calls]
    assert [len(messages) for messages in sent] == [1000, 1000, 1]
    assert sent[2][0]["message_id"] == import_part_message(IMPORT, 2001, 3)["message_id"]


def test_a_part_is_started():
    found = {
        "source": "fair", "format": "csv",
        "layout": {"fields": 1, "name": None, "email": 0, "header": ["Mail"]},
        "object": "o.csv", "byte_start": 5, "byte_end": 9, "first_record": 11, "records": 2,
        "dry_run": True, "rerun": True,
    }  # fmt: skip
    functions = FakeFunctions(found)
    work = functions.repository().start_part(FOURTH, alone=False, ended=[WORK.id])
    assert isinstance(work, PartWork)
    assert (work.import_id, work.source, work.object) == (IMPORT, "fair", "o.csv")
    assert (work.format, work.layout) == (Format.CSV, Layout(1, None, 0, ("Mail",)))
    assert (work.attempt, work.dry_run, work.rerun) == (FOURTH, True, True)
    assert work.part == Part(part=4, byte_start=5, byte_end=9, first_record=11, records=2)
    assert functions.calls[0][1] == {
        "p_import": str(IMPORT), "p_part": 4, "p_attempt": str(FOURTH.id), "p_max_attempts": 5,
        "p_alone": False, "p_ended": [str(WORK.id)],
    }  # fmt: skip


def test_an_attempt_that_is_asked_for_again_is_the_same():
    functions = FakeFunctions(httpx.Response(503), None)
    functions.repository().start_part(FOURTH, alone=True)
    first, again = functions.calls
    assert first == again


def test_a_part_that_has_ended_is_none():
    assert FakeFunctions(None).repository().start_part(FOURTH, alone=True) is None


def test_a_part_that_was_given_up_just_now_is_told_apart():
    given_up = FakeFunctions({"given_up": END}).repository().start_part(FOURTH, alone=True)
    assert given_up == GivenUp(PartEnd(True, ImportState.COMPLETED, True, 2.5))


def test_a_part_that_has_to_be_alone_is_told_apart():
    functions = FakeFunctions({"suspect": True})
    assert functions.repository().start_part(FOURTH, alone=False) == Suspect()


def test_a_part_is_finished_with_its_counts():
    functions = FakeFunctions(END)
    end = functions.repository().finish_part(
        WORK, PartCounts(2, Counter(a=3, b=4), FieldNames(["phone"]))
    )
    assert end == PartEnd(True, ImportState.COMPLETED, True, 2.5)
    counts = {"p_imported": 2, "p_rejected": 7, "p_ignored": ["phone"]}
    assert functions.calls == [
        ("finish_part", {**IDS, **counts}),
    ]


def test_a_part_is_failed_with_a_reason():
    functions = FakeFunctions({**END, "state": "failed", "seconds": None})
    end = functions.repository().fail_part(WORK, "code", "detail")
    assert (end.state, end.seconds) == (ImportState.FAILED, None)
    assert functions.calls[0][1] == {**IDS, "p_code": "code", "p_failure": "detail"}


def test_a_part_of_an_import_that_is_being_cancelled_has_ended():
    end = {**END, "state": "cancelling", "closed": False}
    functions = FakeFunctions({"cancelled": end}, end)
    ended = PartEnd(True, ImportState.CANCELLING, False, 2.5)
    assert functions.repository().start_part(WORK, alone=False) == Stopped(ended)
    assert functions.repository().cancel_part(WORK) == ended
    assert functions.calls[1] == ("cancel_part", IDS)


@pytest.mark.parametrize("retries", [3, None])
def test_a_part_is_postponed(retries):
    functions = FakeFunctions(retries)
    assert functions.repository().postpone_part(WORK, away=True) == retries
    assert functions.calls == [("postpone_part", {**IDS, "p_away": True})]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("PT409", InvalidTransitionError), ("CI001", InvalidTransitionError), ("CI002", ImportCancelledError),
        ("CI003", StaleAttemptError),
    ],
)  # fmt: skip
def test_a_refused_move_is_told_apart(code, error):
    answer = httpx.Response(400, json={"code": code, "message": "it is failed"})
    with pytest.raises(error, match="it is failed") as raised:
        FakeFunctions(answer).repository().finish_part(WORK, PartCounts())
    assert type(raised.value) is error


def test_records_that_are_contacts_are_told_apart():
    functions = FakeFunctions([2, 9])
    assert functions.repository().contacts_among(IMPORT, [1, 2, 9]) == {2, 9}
    arguments = {"p_import": str(IMPORT), "p_records": [1, 2, 9]}
    assert functions.calls == [("contacts_among", arguments)]


def test_a_revoked_key_is_permanent():
    answer = httpx.Response(401, json={"code": "PGRST301", "message": "JWT expired"})
    with pytest.raises(PermanentError):
        FakeFunctions(answer).repository().start_import(IMPORT)


def test_an_answer_that_was_lost_is_asked_for_again():
    functions = FakeFunctions(httpx.Response(503), END)
    functions.repository().finish_part(WORK, PartCounts())
    assert len(functions.calls) == 2


def test_it_gives_up_for_now_at_its_deadline():
    with pytest.raises(TransientError):
        FakeFunctions(*[httpx.Response(503)] * 9).repository(deadline=0.01).start_import(IMPORT)
