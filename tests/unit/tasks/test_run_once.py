import os
import signal
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import ClassVar

import dramatiq
import psycopg2
import pytest

from core.errors import PermanentError, TransientError
from tasks import run_once as once
from tasks.maintenance.retention import Expired
from tasks.run_once import Outcome


class FakeDatabase:
    def __init__(self, looks, failed=0, undos_failed=0, open_imports=()):
        self.looks = list(looks)
        self.failed = failed
        self.undos_failed = undos_failed
        self.open = list(open_imports)
        """What there is at each look; nothing after that."""

    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC)

    def has_messages(self):
        return self.looks.pop(0)

    def outcome(self, since):
        return Outcome(2, self.failed, self.undos_failed, self.open_imports(), 1.5)

    def open_imports(self):
        return self.open.pop(0) if self.open else 0


class FakeWorker:
    made: ClassVar[list] = []

    def __init__(self, broker, worker_threads, worker_timeout):
        assert worker_timeout < 1000, "dramatiq's own: each run would wait for it"
        self.threads = worker_threads
        self.life = []
        FakeWorker.made.append(self)

    def start(self):
        self.life.append("started")

    def stop(self):
        self.life.append("stopped")


@pytest.fixture(autouse=True)
def worker(monkeypatch):
    FakeWorker.made = []
    monkeypatch.setattr(dramatiq, "Worker", FakeWorker)
    monkeypatch.setattr(once.time, "sleep", lambda seconds: None)


@pytest.mark.parametrize(("failed", "code"), [(0, 0), (1, 1)])
def test_run_once_works_until_the_queue_is_empty(failed, code, capsys):
    database = FakeDatabase([True, True, False], failed)
    assert once._empty_queue(database, 3) == code
    assert database.looks == []
    (worker,) = FakeWorker.made
    assert (worker.threads, worker.life) == (3, ["started", "stopped"])
    line = f"queue is empty: 2 imports completed, {failed} failed, in 1.5 s\n"
    assert capsys.readouterr().out == line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_worker(number, capsys):
    class Signalling(FakeDatabase):
        def has_messages(self):
            os.kill(os.getpid(), number)
            return True

    before = signal.getsignal(number)
    assert once._empty_queue(Signalling([]), 1) == 128 + number
    assert FakeWorker.made[0].life == ["started", "stopped"]
    assert signal.getsignal(number) == before
    assert capsys.readouterr().out.startswith("stopped before")


def test_the_worker_is_stopped_after_an_error():
    class Lost(FakeDatabase):
        def has_messages(self):
            raise psycopg2.OperationalError

    with pytest.raises(psycopg2.OperationalError):
        once._empty_queue(Lost([]), 1)
    assert FakeWorker.made[0].life == ["started", "stopped"]


def test_an_unavailable_database_has_its_exit_code(monkeypatch):
    def nobody(**arguments):
        raise psycopg2.OperationalError("refused")

    monkeypatch.setattr(once.broker, "emit_after", lambda signal: None)
    monkeypatch.setattr(once, "connection_arguments", lambda settings: {})
    monkeypatch.setattr(once.runtime, "_settings", object())
    monkeypatch.setattr(psycopg2, "connect", nobody)
    assert once.run_once(1) == 3


class FakeSweep:
    def __init__(self, error=None, expired=Expired(0, 0, 0)):  # noqa: B008 -- it is frozen
        self.error = error
        self.expired = expired

    def queue_lost_imports(self):
        if self.error:
            raise self.error
        return 2

    def remove_orphans(self):
        return 3

    def end_abandoned_uploads(self):
        return 1

    @property
    def retention(self):
        return SimpleNamespace(run=lambda: self.expired)


@pytest.mark.parametrize(("left", "code"), [([1, 1, 0], 0), ([1, 1, 1, 1, 1], 4)])
def test_imports_that_have_lost_their_message_are_queued_again(monkeypatch, capsys, left, code):
    sweeps = []
    sweep = SimpleNamespace(queue_lost_imports=lambda: sweeps.append("queued"))
    monkeypatch.setattr(once.runtime, "_services", SimpleNamespace(sweep=sweep))
    database = FakeDatabase([False] * 4, open_imports=left)
    assert once._empty_queue(database, 1) == code
    assert len(sweeps) == min(3, left.count(1))
    assert ("1 imports are still open" in capsys.readouterr().out) == (code == 4)


def test_a_failed_undo_has_the_exit_code_of_a_failed_import(capsys):
    assert once._empty_queue(FakeDatabase([False], undos_failed=2), 1) == 1
    assert "2 undos failed" in capsys.readouterr().out


def sweep_once(monkeypatch, sweep):
    monkeypatch.setattr(once.broker, "emit_after", lambda signal: None)
    monkeypatch.setattr(once.runtime, "_services", SimpleNamespace(sweep=sweep))
    return once.sweep_once()


def test_a_sweep_prints_what_it_did(monkeypatch, capsys):
    assert sweep_once(monkeypatch, FakeSweep()) == 0
    said = "swept: 2 lost imports queued again, 3 objects without an import removed, "
    said += "1 unfinished uploads ended\n"
    assert capsys.readouterr().out == said


def test_a_sweep_prints_what_had_expired_if_anything_had(monkeypatch, capsys):
    assert sweep_once(monkeypatch, FakeSweep(expired=Expired(5, 0, 2))) == 0
    said = "expired: 5 objects, rejections of 0 imports and 2 imports removed\n"
    assert capsys.readouterr().out.endswith(said)


@pytest.mark.parametrize(
    "error", [TransientError("database", "away"), PermanentError("storage", "no key")]
)
def test_an_interrupted_sweep_has_its_exit_code(monkeypatch, capsys, error):
    assert sweep_once(monkeypatch, FakeSweep(error)) == 3
    assert "swept" not in capsys.readouterr().out
