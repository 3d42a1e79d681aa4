"""A lock that threads share, or that one thread has alone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_WAKE_SECONDS: Final = 1.0


class ExclusiveLock:
    """Held by any number of threads in shared mode, or by one in exclusive mode.

    Exclusive mode waits until all shared holders have left; new ones wait meanwhile.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holders = 0
        self._is_exclusive = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lock together with other threads."""
        with self._changed:
            self._wait_until(lambda: not self._is_exclusive)
            self._holders += 1
        try:
            yield
        finally:
            with self._changed:
                self._holders -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock alone."""
        with self._changed:
            self._wait_until(lambda: not self._is_exclusive)
            self._is_exclusive = True
        try:
            with self._changed:
                self._wait_until(lambda: not self._holders)
            yield
        finally:
            with self._changed:
                self._is_exclusive = False
                self._changed.notify_all()

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        """Wake now and then: dramatiq cannot interrupt a thread that waits without a timeout."""
        while not condition():
            self._changed.wait(_WAKE_SECONDS)
