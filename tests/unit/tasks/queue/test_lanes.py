"""Which queues a process takes, and that each has a worker of its own."""

import sys
from types import SimpleNamespace

import pytest
from dramatiq import Broker

from core.queue_messages import QUEUE, QUEUES, SMALL_QUEUE, WEBHOOK_QUEUE
from tasks.queue import lanes
from tasks.queue.lanes import Lanes, threads_by_queue


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
    assert threads_by_queue(worker(threads=3)) == {QUEUE: 3, SMALL_QUEUE: 4, WEBHOOK_QUEUE: 8}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Process-1", {SMALL_QUEUE: 4, WEBHOOK_QUEUE: 8}),
        ("Process-2", {QUEUE: 3}),
        ("Process-3", {QUEUE: 3}),
    ],
)
def test_the_first_of_several_processes_leaves_large_imports_to_the_others(process, name, expected):
    process(name, "--processes", "3")
    assert threads_by_queue(worker(threads=3)) == expected


def test_the_only_process_of_the_command_line_takes_all_queues(process):
    process("Process-1", "--processes", "1", "--threads", "4")
    assert tuple(threads_by_queue(worker())) == QUEUES


def test_a_process_of_another_command_takes_all_queues(process, capsys):
    process("Process-2", "--no-such-option")
    assert tuple(threads_by_queue(worker())) == QUEUES
    capsys.readouterr()


def test_queues_that_the_operator_names_are_taken(process):
    process("Process-1", "--processes", "3")
    named = {WEBHOOK_QUEUE, QUEUE}
    assert threads_by_queue(worker(named, threads=3)) == {QUEUE: 3, WEBHOOK_QUEUE: 8}
    assert threads_by_queue(worker({SMALL_QUEUE}, threads=3)) == {SMALL_QUEUE: 3}
    assert threads_by_queue(worker({"other"}, threads=3)) == {"other": 3}


@pytest.mark.parametrize(
    ("name", "threads", "niceness"),
    [("Process-1", 4, 0), ("Process-2", 3, 10)],
)
def test_a_process_of_large_imports_runs_at_a_lower_priority(
    process, monkeypatch, name, threads, niceness
):
    process(name, "--processes", "2")
    added = []
    monkeypatch.setattr(lanes.os, "nice", added.append)
    first = worker(threads=3)
    Lanes().before_worker_boot(Broker(middleware=[]), first)
    assert sum(added) == niceness
    assert (first.worker_threads, first.queue_prefetch) == (threads, threads + 1)


def test_each_queue_has_a_worker_of_its_own(monkeypatch):
    made = []

    class FakeWorker:
        def __init__(self, broker, *, queues, worker_threads, worker_timeout):
            self.queues, self.worker_threads, self.calls = queues, worker_threads, []
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
    assert [(added.queues, added.worker_threads, added.queue_prefetch) for added in made] == [
        ({SMALL_QUEUE}, 4, 5), ({WEBHOOK_QUEUE}, 8, 9),
    ]  # fmt: skip
    middleware.before_worker_shutdown(broker, first)
    middleware.after_worker_shutdown(broker, first)
    assert [added.calls for added in made] == [["start", "stop"], ["start", "stop"]]
    assert broker.logger.filters == []
