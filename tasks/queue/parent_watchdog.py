"""Ends the processes that dramatiq has started when their parent is gone.

A parent that is killed leaves its children running: its workers would go on beside those of the
next parent, and its metrics server would keep the port.
"""

import multiprocessing
import os
import signal
import threading
import time
from typing import Final

_POLL_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 30.0


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
