"""Lets the threads of a process work beside each other, or one of them alone."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_WAKE_SECONDS: Final = 1.0


class ExclusiveLock:
    """Whoever wants to be alone waits for those inside, and has newcomers wait."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._taken = False

    @contextmanager
    def among_others(self) -> Iterator[None]:
        """Be inside with any number of others."""
        with self._changed:
            self._await(lambda: not self._taken)
            self._inside += 1
        try:
            yield
        finally:
            self._change(inside=-1)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be inside with nobody else."""
        with self._changed:
            self._await(lambda: not self._taken)
            self._taken = True
        try:
            with self._changed:
                self._await(lambda: not self._inside)
            yield
        finally:
            self._change(taken=False)

    def _await(self, condition: Callable[[], bool]) -> None:
        while not condition():
            # A thread that waits without end could not be interrupted by dramatiq.
            self._changed.wait(_WAKE_SECONDS)

    def _change(self, *, inside: int = 0, taken: bool | None = None) -> None:
        with self._changed:
            self._inside += inside
            self._taken = self._taken if taken is None else taken
            self._changed.notify_all()
