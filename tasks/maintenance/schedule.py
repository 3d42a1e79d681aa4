"""When the workers sweep: as they start, and then now and again, by turns.

A thread, not an actor: a message that comes again for ever would never let the queue be empty,
which run-once waits for; and sweeping must not wait behind a hundred thousand parts.
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
    """Takes a turn from time to time, in each worker process; the repository says whose turn it is."""

    def __init__(self, take_turn: Callable[[], None]) -> None:
        self._take_turn = take_turn
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def after_worker_boot(self, _broker: Broker, _worker: Worker) -> None:
        """Begin; the first turn comes at once."""
        self._thread.start()

    def before_worker_shutdown(self, _broker: Broker, _worker: Worker) -> None:
        """End soon. A sweep may break off anywhere, so nothing waits long for it."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def sweep(self) -> None:
        """Take a turn now; whatever goes wrong, the work of the process goes on."""
        try:
            self._take_turn()
        except UpstreamError as error:
            log.warning(
                "sweep broke off", upstream=error.upstream, reason=error.detail, code=error.code
            )
        except Exception:
            log.exception("sweep failed in a way that was not foreseen")

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.sweep()
            # Spread, so that many processes do not ask at the same moment.
            self._stopping.wait(MESSAGES_EVERY * random.uniform(0.75, 1.25))  # noqa: S311
