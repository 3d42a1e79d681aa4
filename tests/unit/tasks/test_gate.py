import threading
import time
from contextlib import ExitStack

import pytest

from tasks import gate as module
from tasks.gate import Gate


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "_WAKE_SECONDS", 0.01)


def in_thread(way, log, name):
    def pass_through():
        with way:
            log.append(name)

    thread = threading.Thread(target=pass_through)
    thread.start()
    return thread


def test_any_number_may_be_inside_together():
    gate = Gate()
    with gate.among_others(), gate.among_others():
        pass


def test_who_wants_to_be_alone_waits_for_those_inside_and_keeps_newcomers_out():
    gate, log = Gate(), []
    with gate.among_others():
        alone = in_thread(gate.alone(), log, "alone")
        while not gate._taken:
            time.sleep(0.001)
        newcomer = in_thread(gate.among_others(), log, "newcomer")
        newcomer.join(0.05)
        assert log == []
    for thread in (alone, newcomer):
        thread.join(5)
    assert log == ["alone", "newcomer"]


def test_only_one_is_alone():
    gate, log = Gate(), []
    with gate.alone():
        other = in_thread(gate.alone(), log, "other")
        other.join(0.05)
        assert log == []
    other.join(5)
    assert log == ["other"]


@pytest.mark.parametrize("way", ["alone", "among_others"])
def test_errors_leave_nobody_inside(way):
    gate = Gate()
    with pytest.raises(ZeroDivisionError), getattr(gate, way)():
        raise ZeroDivisionError
    with gate.alone():
        pass


def test_an_interrupted_wait_leaves_the_gate_open(monkeypatch):
    gate = Gate()

    def interrupted(seconds):
        raise ZeroDivisionError

    with ExitStack() as inside:
        inside.enter_context(gate.among_others())
        monkeypatch.setattr(gate._changed, "wait", interrupted)
        with pytest.raises(ZeroDivisionError):
            gate.alone().__enter__()
    with gate.among_others():
        pass
