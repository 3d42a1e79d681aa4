"""Ends the processes that dramatiq has started when their parent is gone.

A parent that is killed leaves its children running: its workers would go on beside those of the
next parent, and its metrics server would keep the port.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from typing import Final

from dramatiq import Broker
from dramatiq.middleware import Prometheus
from dramatiq.middleware.prometheus import _run_exposition_server

from tasks.errors import EXIT_UNFIT
from tasks.queue.metrics_folder import MetricsFolderError, use_own_folder

_POLL_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 30.0


class WatchedPrometheus(Prometheus):
    """dramatiq's Prometheus, whose metrics server ends with its parent."""

    @property
    def forks(self) -> list[object]:
        """Functions that dramatiq runs in processes of their own; it finds them by their names."""
        return [serve_metrics]

    def after_process_boot(self, broker: Broker) -> None:
        """Set the folder of the metrics, then make dramatiq's own."""
        _use_own_folder()
        super().after_process_boot(broker)  # type: ignore[no-untyped-call]


def serve_metrics() -> int:
    """Serve the metrics of all worker processes until the parent ends."""
    stop_with_parent()
    _use_own_folder()
    exit_code: int = _run_exposition_server()
    return exit_code


def _use_own_folder() -> None:
    """End the process if that fails: dramatiq would only log an exception."""
    try:
        use_own_folder()
    except MetricsFolderError as error:
        print(error, file=sys.stderr, flush=True)
        raise SystemExit(EXIT_UNFIT) from None


def stop_with_parent() -> None:
    """Have this process stopped when its parent is gone; nothing to do if it has none."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(
            target=_watch, args=(parent.pid,), name="parent-watchdog", daemon=True
        ).start()


def _watch(parent: int | None) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    # A parent that was killed while its workers started may have left a lock of theirs locked.
    time.sleep(_STOP_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
