"""Runs the sweep in each worker process: at its start, and then about once a minute.

The repository decides which process sweeps. This is a thread and not an actor: a message that is
queued for ever would keep the queue from becoming empty, which ``--once`` waits for, and a sweep
must not wait until a hundred thousand parts are done.
"""

import random
import threading
from collections.abc import Callable
from typing import Final

import structlog
from dramatiq import Broker, Middleware, Worker

from core.errors import UpstreamError
from tasks.maintenance.sweep import MESSAGES_EVERY

log = structlog.stdlib.get_logger(__name__)

_STOP_SECONDS: Final = 1.0


class SweepSchedule(Middleware):
    """Calls ``sweep`` in a thread of its own while the worker runs."""

    def __init__(self, sweep: Callable[[], None]) -> None:
        self._sweep = sweep
        self._worker: Worker | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweep", daemon=True)

    def after_worker_boot(self, _broker: Broker, worker: Worker) -> None:
        """Start with the first worker of the process; the first sweep is run at once."""
        if self._worker is None:
            self._worker = worker
            self._thread.start()

    def before_worker_shutdown(self, _broker: Broker, worker: Worker) -> None:
        """Stop; a sweep may be interrupted anywhere, so this waits for a second at most."""
        if worker is not self._worker:
            return
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def run_sweep(self) -> None:
        """Sweep now; an error is logged and does not end the process."""
        try:
            self._sweep()
        except UpstreamError as error:
            log.warning(
                "sweep interrupted", upstream=error.upstream, reason=error.detail, code=error.code
            )
        except Exception:
            log.exception("sweep failed: unexpected error")

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.run_sweep()
            # A random time, so that the processes do not all ask at the same moment.
            self._stopping.wait(MESSAGES_EVERY * random.uniform(0.75, 1.25))  # noqa: S311
