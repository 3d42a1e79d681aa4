import threading

import pytest
from structlog.testing import capture_logs

from core.errors import TransientError
from tasks.maintenance import schedule as module
from tasks.maintenance.schedule import SweepSchedule


def test_the_first_sweep_is_run_at_once_and_others_follow_until_the_end(monkeypatch):
    monkeypatch.setattr(module, "MESSAGES_EVERY", 0.01)
    sweeps, thrice = [], threading.Event()

    def sweep():
        sweeps.append(1)
        if len(sweeps) == 3:
            thrice.set()

    schedule = SweepSchedule(sweep)
    schedule.after_worker_boot(None, None)
    assert thrice.wait(5)
    schedule.before_worker_shutdown(None, None)
    assert not schedule._thread.is_alive()


def test_a_stop_does_not_wait_long_for_a_hanging_sweep(monkeypatch):
    monkeypatch.setattr(module, "_STOP_SECONDS", 0.01)
    hanging, go_on = threading.Event(), threading.Event()
    schedule = SweepSchedule(lambda: hanging.set() or go_on.wait(5))
    schedule.after_worker_boot(None, None)
    assert hanging.wait(5)
    schedule.before_worker_shutdown(None, None)
    assert schedule._thread.daemon
    go_on.set()
    schedule._thread.join(5)


def test_a_schedule_that_never_started_can_be_stopped():
    SweepSchedule(lambda: None).before_worker_shutdown(None, None)


@pytest.mark.parametrize("error", [TransientError("storage", "away"), ZeroDivisionError()])
def test_an_error_of_a_sweep_is_logged_and_not_raised(error):
    def broken():
        raise error

    with capture_logs() as logs:
        SweepSchedule(broken).run_sweep()
    assert logs[0]["event"].startswith("sweep")
