"""Trying again what failed for now: exponential backoff with jitter, Retry-After honoured.

A named time never makes the wait shorter than the backoff: ``Retry-After: 0`` would be a loop
without a pause. Transient bounds how long it can make the wait.
"""

from typing import Final

import tenacity

from config.errors import Transient

_backoff: Final = tenacity.wait_random_exponential(multiplier=0.2, max=5)


def retrying(deadline: float) -> tenacity.Retrying:
    """Calls again while Transient is raised, for ``deadline`` seconds; then raises the last one.

    It is raised as soon as the next try would come after the deadline.
    """
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Transient),
        wait=_wait,
        stop=tenacity.stop_before_delay(deadline),
        reraise=True,
    )


def retrying_async(deadline: float) -> tenacity.AsyncRetrying:
    """The same for coroutines."""
    return tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(Transient),
        wait=_wait,
        stop=tenacity.stop_before_delay(deadline),
        reraise=True,
    )


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    named = error.retry_after if isinstance(error, Transient) else None
    return max(_backoff(state), named or 0.0)
