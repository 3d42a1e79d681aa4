import threading
import time
from contextlib import ExitStack

import pytest

from tasks.importing import exclusive_lock as module
from tasks.importing.exclusive_lock import ExclusiveLock


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "_WAKE_SECONDS", 0.01)


def in_thread(mode, log, name):
    def hold():
        with mode:
            log.append(name)

    thread = threading.Thread(target=hold)
    thread.start()
    return thread


def test_the_lock_can_be_shared_any_number_of_times():
    lock = ExclusiveLock()
    with lock.shared(), lock.shared():
        pass


def test_exclusive_mode_waits_for_shared_holders_and_keeps_new_ones_out():
    lock, log = ExclusiveLock(), []
    with lock.shared():
        exclusive = in_thread(lock.exclusive(), log, "exclusive")
        while not lock._is_exclusive:
            time.sleep(0.001)
        new = in_thread(lock.shared(), log, "new")
        new.join(0.05)
        assert log == []
    for thread in (exclusive, new):
        thread.join(5)
    assert log == ["exclusive", "new"]


def test_only_one_thread_has_the_lock_in_exclusive_mode():
    lock, log = ExclusiveLock(), []
    with lock.exclusive():
        other = in_thread(lock.exclusive(), log, "other")
        other.join(0.05)
        assert log == []
    other.join(5)
    assert log == ["other"]


@pytest.mark.parametrize("mode", ["exclusive", "shared"])
def test_an_error_releases_the_lock(mode):
    lock = ExclusiveLock()
    with pytest.raises(ZeroDivisionError), getattr(lock, mode)():
        raise ZeroDivisionError
    with lock.exclusive():
        pass


def test_an_interrupted_wait_for_exclusive_mode_releases_the_lock(monkeypatch):
    lock = ExclusiveLock()

    def interrupted(seconds):
        raise ZeroDivisionError

    with ExitStack() as holders:
        holders.enter_context(lock.shared())
        monkeypatch.setattr(lock._changed, "wait", interrupted)
        with pytest.raises(ZeroDivisionError):
            lock.exclusive().__enter__()
    with lock.shared():
        pass
