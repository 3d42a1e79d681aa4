"""Which queues a worker process takes messages from, with threads of their own for each.

dramatiq gives all queues the same threads: a small import would wait until a part of a large one
has ended, and webhooks to slow receivers would hold all threads. Here each queue has a worker of
its own. Of several processes, the first one takes the small imports and the webhooks, and leaves
the large imports to the others: in the same process, their threads would wait for each other's
Python code. The others run at a lower priority: where the processors are busy, a small import would
wait for its turn at each of its steps.
"""

import contextlib
import logging
import multiprocessing
import os
import sys
import threading
from typing import Final

from dramatiq import Broker, Middleware, Worker
from dramatiq.cli import make_argument_parser

from core.queue_messages import QUEUE, QUEUES, SMALL_QUEUE, WEBHOOK_QUEUE

_THREADS: Final = {SMALL_QUEUE: 4, WEBHOOK_QUEUE: 8}
"""Webhooks wait for other people's servers most of the time."""
_LARGE_NICENESS: Final = 10
"""Of a process that imports the parts of large imports and nothing else."""
_STOP_MILLISECONDS: Final = 10_000


def threads_by_queue(worker: Worker) -> dict[str, int]:
    """Return the queues of the process whose first worker this is, and the threads of each.

    They are the queues that the operator names (``dramatiq tasks --queues ...``), or all if this
    process is the only one. ``--threads`` is about the parts of large imports; if they are not
    among the named queues, about the first of these.
    """
    number, processes = _place_among_processes()
    if named := worker.consumer_whitelist:
        queues = tuple(queue for queue in QUEUES if queue in named) or tuple(named)
    elif processes == 1:
        queues = QUEUES
    elif number == 1:
        return dict(_THREADS)
    else:
        queues = (QUEUE,)
    first, *others = queues
    return {first: int(worker.worker_threads)} | {queue: _THREADS[queue] for queue in others}


def _place_among_processes() -> tuple[int, int]:
    """Return which of how many worker processes of dramatiq's command line this is, from 1."""
    if multiprocessing.parent_process() is None:
        return 1, 1
    with contextlib.suppress(SystemExit):  # of another command line
        processes = make_argument_parser().parse_args(sys.argv[1:]).processes
        number = multiprocessing.current_process().name.rpartition("-")[2]
        return int(number), processes
    return 1, 1


def _is_not_about_middleware(record: logging.LogRecord) -> bool:
    return "middleware of the same type" not in str(record.msg)


class Lanes(Middleware):
    """Starts and stops a worker for each further queue together with the first one."""

    def __init__(self) -> None:
        self._first: Worker | None = None
        self._added: list[Worker] = []
        self._stops: list[threading.Thread] = []

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Leave the first queue only to the first worker.

        Workers prefetch one message more than they have threads, since other machines may be idle.
        """
        if self._first is None:
            self._first = worker
            threads = threads_by_queue(worker)
            if tuple(threads) == (QUEUE,):
                os.nice(_LARGE_NICENESS)
            first, *others = threads
            worker.consumer_whitelist, worker.worker_threads = {first}, threads[first]
            self._added = [
                Worker(
                    broker,
                    queues={queue},
                    worker_threads=threads[queue],
                    worker_timeout=worker.worker_timeout,
                )
                for queue in others
            ]
        worker.queue_prefetch = worker.worker_threads + 1

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start the added workers."""
        if worker is self._first:
            # dramatiq warns of a second worker's middleware, which is not one of ours.
            broker.logger.addFilter(_is_not_about_middleware)
            for added in self._added:
                added.start()
            broker.logger.removeFilter(_is_not_about_middleware)

    def before_worker_shutdown(self, _broker: Broker, worker: Worker) -> None:
        """Begin to stop the added workers; the first one stops at the same time."""
        if worker is self._first:
            self._stops = [
                threading.Thread(target=added.stop, args=(_STOP_MILLISECONDS,), daemon=True)
                for added in self._added
            ]
            for stop in self._stops:
                stop.start()

    def after_worker_shutdown(self, _broker: Broker, worker: Worker) -> None:
        """Wait until they have stopped, before the connections are closed."""
        if worker is self._first:
            for stop in self._stops:
                stop.join()
