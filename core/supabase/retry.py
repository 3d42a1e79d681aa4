"""The retry policy: exponential backoff with jitter, never shorter than a Retry-After header asks.

A named time does not make the wait shorter than the backoff either: ``Retry-After: 0`` would be a
loop without a pause. TransientError limits how long a named time can make the wait.
"""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeAlias

import tenacity

from core.errors import TransientError

STOPPING_SECONDS: Final = 3.0
"""Seconds for which a process that is stopping still retries a call."""

OnRetry: TypeAlias = Callable[[str], None]
"""Called before each retry, with the name of the upstream: ``storage`` or ``database``."""

_backoff: Final = tenacity.wait_random_exponential(multiplier=0.2, max=5)
_retry_transient: Final = tenacity.retry_if_exception_type(TransientError)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    named = error.retry_after if isinstance(error, TransientError) else None
    return max(_backoff(state), named or 0.0)


def uncounted(_upstream: str) -> None:
    """Ignore a retry: the observer where nobody counts them."""


def retrying_async(deadline: float, on_retry: OnRetry = uncounted) -> tenacity.AsyncRetrying:
    """Return a caller that repeats a coroutine function while it raises TransientError.

    It raises the last error as soon as the next call would come later than ``deadline`` seconds
    after the first.
    """
    return tenacity.AsyncRetrying(
        retry=_retry_transient,
        wait=_wait,
        stop=tenacity.stop_before_delay(deadline),
        before_sleep=_observed_by(on_retry),
        reraise=True,
    )


def retrying(
    deadline: float, stopping: threading.Event | None = None, on_retry: OnRetry = uncounted
) -> tenacity.Retrying:
    """Return the same for blocking functions.

    Once ``stopping`` is set, waiting ends at once and the deadline is STOPPING_SECONDS at most.
    """
    return tenacity.Retrying(
        retry=_retry_transient,
        wait=_wait,
        stop=tenacity.stop_any(tenacity.stop_before_delay(deadline), _StopIfStopping(stopping)),
        sleep=_sleep_until(stopping),
        before_sleep=_observed_by(on_retry),
        reraise=True,
    )


def _observed_by(on_retry: OnRetry) -> Callable[[tenacity.RetryCallState], None]:
    def observe(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, TransientError):
            on_retry(error.upstream)

    return observe


class _StopIfStopping(tenacity.stop.stop_base):
    def __init__(self, stopping: threading.Event | None) -> None:
        self._stopping = stopping
        self._is_late = tenacity.stop_before_delay(STOPPING_SECONDS)

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        is_stopping = self._stopping is not None and self._stopping.is_set()
        return is_stopping and self._is_late(retry_state)


def _sleep_until(stopping: threading.Event | None) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        if stopping is None or stopping.is_set():
            time.sleep(seconds)
        else:
            stopping.wait(seconds)

    return sleep
