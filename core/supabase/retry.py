"""Trying again what failed for now: exponential backoff with jitter, Retry-After honoured.

A named time never makes the wait shorter than the backoff: ``Retry-After: 0`` would be a loop
without a pause. TransientError bounds how long it can make the wait.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

import tenacity

from core.errors import TransientError

_backoff: Final = tenacity.wait_random_exponential(multiplier=0.2, max=5)


STOPPING_SECONDS: Final = 3.0
"""For so long a call is tried again in a process that is stopping."""


def retrying(deadline: float, stopping: threading.Event | None = None) -> tenacity.Retrying:
    """Calls again while TransientError is raised, for ``deadline`` seconds; then raises the last one.

    It is raised as soon as the next try would come after the deadline; after STOPPING_SECONDS, once
    ``stopping`` is set.
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(TransientError),
        wait=_wait,
        stop=tenacity.stop_any(tenacity.stop_before_delay(deadline), _StopIfSet(stopping)),
        sleep=_sleep_until_set(stopping),
        reraise=True,
    )


class _StopIfSet(tenacity.stop.stop_base):
    def __init__(self, stopping: threading.Event | None) -> None:
        self._stopping = stopping
        self._after = tenacity.stop_before_delay(STOPPING_SECONDS)

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        is_set = self._stopping is not None and self._stopping.is_set()
        return is_set and self._after(retry_state)


def _sleep_until_set(stopping: threading.Event | None) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        if stopping is None or stopping.is_set():
            time.sleep(seconds)
        else:
            stopping.wait(seconds)

    return sleep


def retrying_async(deadline: float) -> tenacity.AsyncRetrying:
    """The same for coroutines."""
    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(TransientError),
        wait=_wait,
        stop=tenacity.stop_before_delay(deadline),
        reraise=True,
    )


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    named = error.retry_after if isinstance(error, TransientError) else None
    return max(_backoff(state), named or 0.0)
