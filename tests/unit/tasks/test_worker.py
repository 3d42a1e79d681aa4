import logging
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from config.settings import Settings
from core import self_check
from tasks import worker as module
from tasks.queue.connections import DeferredPool
from tasks.worker import Runtime

GOOD = {
    "SUPABASE_URL": "http://127.0.0.1:9",
    "SUPABASE_SERVICE_ROLE_KEY": "key",
    "DATABASE_URL": "postgresql://u@127.0.0.1:9/x",
}


@pytest.fixture
def boot(monkeypatch):
    """Boots a runtime with these variables, and leaves the process's globals as they are."""
    monkeypatch.setattr(module, "configure_logging", lambda settings: None)
    monkeypatch.setattr(module.sys, "setrecursionlimit", lambda limit: None)

    def with_environment(**variables):
        for name in GOOD:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        runtime = Runtime(DeferredPool())
        runtime.after_process_boot(None)
        return runtime

    return with_environment


def test_wrong_settings_end_the_process_with_a_line_for_each(boot, capsys):
    with pytest.raises(SystemExit) as end:
        boot(**{**GOOD, "SUPABASE_URL": "nonsense", "DATABASE_URL": "mysql://x"})
    assert end.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["SUPABASE_URL", "DATABASE_URL"]


def test_an_address_that_only_libpq_rejects_ends_the_process_too(boot, capsys):
    with pytest.raises(SystemExit) as end:
        boot(**{**GOOD, "DATABASE_URL": "postgresql://u@h/x?pgbouncer=true"})
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("DATABASE_URL must")


def test_a_python_that_would_spoil_data_ends_the_process_with_one_line(boot, monkeypatch, capsys):
    monkeypatch.setattr(self_check, "unusual_emails", lambda emails: set())
    with pytest.raises(SystemExit) as end:
        boot(**GOOD)
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "reads known samples wrongly (e-mail addresses)" in line


def test_a_worker_that_cannot_start_ends_with_1(boot, monkeypatch):
    monkeypatch.setattr(Settings, "from_environment", lambda: 1 / 0)
    with pytest.raises(SystemExit) as end:
        boot(**GOOD)
    assert end.value.code == 1


def test_a_process_has_connections_for_all_its_threads(boot):
    runtime = boot(**GOOD)
    worker = SimpleNamespace(worker_threads=4, consumer_whitelist=None)
    runtime.before_worker_boot(None, worker)
    assert runtime._pool._opened().maxconn >= 3 * 4 + 4 + 12
    closed = []
    runtime.services.connections.callback(closed.append, True)
    runtime.after_worker_shutdown(None, worker)
    assert closed


def test_a_process_that_does_not_stop_in_time_is_ended_by_force(monkeypatch):
    ends = []
    monkeypatch.setattr(module.time, "sleep", ends.append)
    monkeypatch.setattr(module.os, "_exit", ends.append)
    module._end_by_force()
    assert ends[0] < 30
    assert ends[1] == 3


def test_importing_tasks_reads_no_setting_and_imports_no_metrics():
    code = (
        "import sys, tasks; "
        "assert 'prometheus_client' not in sys.modules; "
        "assert 'tasks.metrics' not in sys.modules"
    )
    environment = {"PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=60)


def test_the_log_of_dramatiq_is_not_silenced():
    assert logging.getLogger("dramatiq").level in (logging.NOTSET, logging.INFO)


def test_work_is_handed_back_at_the_end_and_waited_for_only_so_long(boot, monkeypatch):
    monkeypatch.setattr(module, "_HAND_BACK_SECONDS", 0.01)
    runtime, begun, closed = boot(**GOOD), threading.Event(), threading.Event()
    stuck = threading.Event()

    def hand_back_all():
        begun.set()
        assert stuck.wait(60)

    monkeypatch.setattr(runtime.services.import_part, "hand_back_all", hand_back_all)
    runtime.services.connections.callback(closed.set)
    runtime.after_worker_shutdown(None, None)
    assert closed.is_set()
    assert begun.wait(60)
    stuck.set()
