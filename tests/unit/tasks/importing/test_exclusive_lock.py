import threading
import time
from contextlib import ExitStack

import pytest

from tasks.importing import exclusive_lock as module
from tasks.importing.exclusive_lock import ExclusiveLock


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
    lock = ExclusiveLock()
    with lock.among_others(), lock.among_others():
        pass


def test_who_wants_to_be_alone_waits_for_those_inside_and_keeps_newcomers_out():
    lock, log = ExclusiveLock(), []
    with lock.among_others():
        alone = in_thread(lock.alone(), log, "alone")
        while not lock._taken:
            time.sleep(0.001)
        newcomer = in_thread(lock.among_others(), log, "newcomer")
        newcomer.join(0.05)
        assert log == []
    for thread in (alone, newcomer):
        thread.join(5)
    assert log == ["alone", "newcomer"]


def test_only_one_is_alone():
    lock, log = ExclusiveLock(), []
    with lock.alone():
        other = in_thread(lock.alone(), log, "other")
        other.join(0.05)
        assert log == []
    other.join(5)
    assert log == ["other"]


@pytest.mark.parametrize("way", ["alone", "among_others"])
def test_errors_leave_nobody_inside(way):
    lock = ExclusiveLock()
    with pytest.raises(ZeroDivisionError), getattr(lock, way)():
        raise ZeroDivisionError
    with lock.alone():
        pass


def test_an_interrupted_wait_leaves_the_gate_open(monkeypatch):
    lock = ExclusiveLock()

    def interrupted(seconds):
        raise ZeroDivisionError

    with ExitStack() as inside:
        inside.enter_context(lock.among_others())
        monkeypatch.setattr(lock._changed, "wait", interrupted)
        with pytest.raises(ZeroDivisionError):
            lock.alone().__enter__()
    with lock.among_others():
        pass
