import pytest

from core.errors import TransientError
from core.ids import new_import_id
from core.messages import import_contacts_message
from tasks.repository import SweepRepository
from tests.unit.tasks.fakes import IMPORT


class FakeFunctions:
    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = []

    def call(self, function, **arguments):
        self.calls.append((function, arguments))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize("until", [0.0, 1795416631.5, None])
def test_a_turn_is_taken_or_not(until):
    functions = FakeFunctions(until)
    assert SweepRepository(functions).begin("objects", 60.0) == until
    assert functions.calls == [("begin_sweep", {"p_kind": "objects", "p_every": 60.0})]


def test_how_far_it_came_is_noted():
    functions = FakeFunctions(None)
    SweepRepository(functions).end("objects", 5.0)
    assert functions.calls == [("end_sweep", {"p_kind": "objects", "p_until": 5.0})]


def test_lost_imports_come_page_by_page_each_after_the_last():
    ids = [new_import_id() for _ in range(3)]
    functions = FakeFunctions([str(ids[0]), str(ids[1])], [str(ids[2])], [])
    assert list(SweepRepository(functions).lost()) == [ids[:2], ids[2:]]
    assert [arguments["p_after"][:8] for _, arguments in functions.calls] == [
        "00000000", str(ids[1])[:8], str(ids[2])[:8],
    ]  # fmt: skip


def test_imports_are_queued_with_the_message_they_had():
    functions = FakeFunctions(None)
    SweepRepository(functions).queue([IMPORT])
    ((name, arguments),) = functions.calls
    (message,) = arguments["p_messages"]
    wanted = import_contacts_message(IMPORT)
    assert name == "queue_messages"
    assert message | {"message_timestamp": 0} == wanted | {"message_timestamp": 0}


def test_undos_are_queued_by_the_database():
    functions = FakeFunctions(None)
    SweepRepository(functions).queue_undos()
    assert functions.calls == [("queue_undos", {})]


def test_known_imports_are_told():
    functions = FakeFunctions([str(IMPORT)])
    assert SweepRepository(functions).known([IMPORT, new_import_id()]) == {IMPORT}


def test_errors_come_through():
    with pytest.raises(TransientError):
        SweepRepository(FakeFunctions(TransientError("database", "away"))).begin("messages", 1)
