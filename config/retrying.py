"""Trying again what failed for now: exponential backoff with jitter, Retry-After honoured."""

from typing import Final

import tenacity

from config.errors import Transient

_backoff: Final = tenacity.wait_random_exponential(multiplier=0.2, max=5)


def retrying(deadline: float) -> tenacity.Retrying:
    """Calls again while Transient is raised, for ``deadline`` seconds; then raises the last one."""
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
    return named if named is not None else _backoff(state)
