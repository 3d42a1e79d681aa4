import threading

import pytest
from structlog.testing import capture_logs

from core.errors import TransientError
from tasks.maintenance import schedule as module
from tasks.maintenance.schedule import SweepSchedule


def test_the_first_turn_comes_at_once_and_others_follow_until_the_end(monkeypatch):
    monkeypatch.setattr(module, "MESSAGES_EVERY", 0.01)
    turns, thrice = [], threading.Event()

    def take_turn():
        turns.append(1)
        if len(turns) == 3:
            thrice.set()

    sweeper = SweepSchedule(take_turn)
    sweeper.after_worker_boot(None, None)
    assert thrice.wait(5)
    sweeper.before_worker_shutdown(None, None)
    assert not sweeper._thread.is_alive()


def test_nothing_waits_long_for_a_sweep_that_hangs(monkeypatch):
    monkeypatch.setattr(module, "_STOP_SECONDS", 0.01)
    hanging, go_on = threading.Event(), threading.Event()
    sweeper = SweepSchedule(lambda: hanging.set() or go_on.wait(5))
    sweeper.after_worker_boot(None, None)
    assert hanging.wait(5)
    sweeper.before_worker_shutdown(None, None)
    assert sweeper._thread.daemon
    go_on.set()
    sweeper._thread.join(5)


def test_a_worker_that_never_began_can_be_stopped():
    SweepSchedule(lambda: None).before_worker_shutdown(None, None)


@pytest.mark.parametrize("error", [TransientError("storage", "away"), ZeroDivisionError()])
def test_whatever_goes_wrong_the_process_goes_on(error):
    def broken():
        raise error

    with capture_logs() as logs:
        SweepSchedule(broken).sweep()
    assert logs[0]["event"].startswith("sweep")
