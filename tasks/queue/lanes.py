"""A worker of its own, in each process, for each queue whose messages must not wait for others.

dramatiq gives all queues the same threads: a small import would wait until a part of a large one
has ended, and webhooks to slow receivers would hold all threads. The command line makes one worker
in each process; it takes the large imports, and this middleware adds the others.
"""

import threading
from typing import Final

from dramatiq import Broker, Middleware, Worker

from core.queue_messages import QUEUE, SMALL_QUEUE, WEBHOOK_QUEUE

LANES: Final = {SMALL_QUEUE: 4, WEBHOOK_QUEUE: 8}
"""Threads by queue. Those of webhooks wait for other people's servers most of the time."""
_STOP_MILLISECONDS: Final = 10_000


class Lanes(Middleware):
    """Starts and stops the added workers together with the first one of the process.

    If the operator names queues (``dramatiq tasks --queues ...``), nothing is added.
    """

    def __init__(self) -> None:
        self._first: Worker | None = None
        self._added: list[Worker] = []
        self._stops: list[threading.Thread] = []

    def before_worker_boot(self, _broker: Broker, worker: Worker) -> None:
        """Leave only the large imports to the first worker."""
        if self._first is None and not worker.consumer_whitelist:
            self._first = worker
            worker.consumer_whitelist = {QUEUE}

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start a worker for each of the other queues."""
        if worker is not self._first:
            return
        for queue, threads in LANES.items():
            added = Worker(
                broker,
                queues={queue},
                worker_threads=threads,
                worker_timeout=worker.worker_timeout,
            )
            self._added.append(added)
            added.start()

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
