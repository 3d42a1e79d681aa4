"""Which queues a process takes, and that each has a worker of its own."""

import sys
from types import SimpleNamespace

import pytest
from dramatiq import Broker

from core.queue_messages import QUEUE, QUEUES, SMALL_QUEUE, WEBHOOK_QUEUE
from tasks.queue import lanes
from tasks.queue.lanes import Lanes, queues_of, threads_of


def worker(queues=None, threads=3):
    return SimpleNamespace(consumer_whitelist=queues, worker_threads=threads, worker_timeout=1000)


@pytest.fixture
def process(monkeypatch):
    """Act as one of the processes of dramatiq's command line."""

    def act_as(name, *options):
        monkeypatch.setattr(lanes.multiprocessing, "parent_process", object)
        current = SimpleNamespace(name=name)
        monkeypatch.setattr(lanes.multiprocessing, "current_process", lambda: current)
        monkeypatch.setattr(sys, "argv", ["dramatiq", "tasks", *options])

    return act_as


def test_a_process_without_others_takes_all_queues():
    assert queues_of(worker()) == QUEUES
    assert threads_of(worker(threads=3)) == 3 + 4 + 8


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Process-1", (SMALL_QUEUE, WEBHOOK_QUEUE)), ("Process-2", (QUEUE,)), ("Process-3", (QUEUE,))],
)
def test_the_first_of_several_processes_leaves_large_imports_to_the_others(process, name, expected):
    process(name, "--processes", "3")
    assert queues_of(worker()) == expected


def test_the_only_process_of_the_command_line_takes_all_queues(process):
    process("Process-1", "--processes", "1", "--threads", "4")
    assert queues_of(worker()) == QUEUES


def test_a_process_of_another_command_takes_all_queues(process, capsys):
    process("Process-2", "--no-such-option")
    assert queues_of(worker()) == QUEUES
    capsys.readouterr()


def test_queues_that_the_operator_names_are_taken(process):
    process("Process-2", "--processes", "3")
    assert queues_of(worker({WEBHOOK_QUEUE, QUEUE})) == (QUEUE, WEBHOOK_QUEUE)
    assert queues_of(worker({"other"})) == ("other",)


def test_each_queue_has_a_worker_of_its_own(monkeypatch):
    made = []

    class FakeWorker:
        def __init__(self, broker, *, queues, worker_threads, worker_timeout):
            self.queues, self.threads, self.calls = queues, worker_threads, []
            made.append(self)

        def start(self):
            self.calls.append("start")

        def stop(self, timeout):
            self.calls.append("stop")

    monkeypatch.setattr(lanes, "Worker", FakeWorker)
    middleware, first, broker = Lanes(), worker(), Broker(middleware=[])
    middleware.before_worker_boot(broker, first)
    assert first.consumer_whitelist == {QUEUE}
    for added in made:
        middleware.before_worker_boot(broker, added)
        middleware.after_worker_boot(broker, added)
    middleware.after_worker_boot(broker, first)
    assert [(added.queues, added.threads) for added in made] == [
        ({SMALL_QUEUE}, 4), ({WEBHOOK_QUEUE}, 8),
    ]  # fmt: skip
    middleware.before_worker_shutdown(broker, first)
    middleware.after_worker_shutdown(broker, first)
    assert [added.calls for added in made] == [["start", "stop"], ["start", "stop"]]
    assert broker.logger.filters == []
