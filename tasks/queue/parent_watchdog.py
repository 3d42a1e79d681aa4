"""What dramatiq starts must not outlive it.

A master that is killed takes nobody along: its workers would go on beside those of the next master,
and its metrics server would keep the port.
"""

import multiprocessing
import os
import signal
import threading
import time
from typing import Final

from dramatiq.middleware import Prometheus
from dramatiq.middleware.prometheus import _run_exposition_server

_LOOK_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 30.0


class WatchedPrometheus(Prometheus):
    """dramatiq's metrics, served by a process that ends with its master."""

    @property
    def forks(self) -> list[object]:
        """What the master shall run beside the workers; dramatiq finds it by its name."""
        return [serve_metrics]


def serve_metrics() -> int:
    """Serve the metrics of all worker processes until the master ends."""
    end_with_master()
    exit_code: int = _run_exposition_server()
    return exit_code


def end_with_master() -> None:
    """Be told to stop when the master is gone; nothing to do in a process that has none."""
    master = multiprocessing.parent_process()
    if master is not None:
        threading.Thread(target=_watch, args=(master.pid,), name="orphans", daemon=True).start()


def _watch(master: int | None) -> None:
    while os.getppid() == master:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    # A master that was killed while its workers started may have taken a lock of theirs with it.
    time.sleep(_STOP_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
