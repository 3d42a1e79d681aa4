"""Checks the answers of the service, and repeats requests that may succeed later."""

from collections.abc import Callable
from typing import Any, Final

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential

from contacts_import.errors import (
    ClientError,
    RequestRejectedError,
    UnavailableError,
    UnreachableError,
)

MAX_ATTEMPTS: Final = 6
_TEMPORARY: Final = {429, 502, 503, 504}
_MAX_RETRY_AFTER_SECONDS: Final = 60.0
_backoff: Final = wait_exponential(multiplier=0.5, max=15)

Notify = Callable[[str], None]
"""Shows a line to the user."""
Sleep = Callable[[float], None]


def retrying(notify: Notify, sleep: Sleep, *, attempts: int = MAX_ATTEMPTS) -> Retrying:
    """Return a caller that repeats what raises UnavailableError, with exponential backoff.

    It waits at least as long as the service asks for, and notifies the user before each wait. The
    last error is raised as it is.
    """

    def before_sleep(state: RetryCallState) -> None:
        seconds = state.next_action.sleep if state.next_action else 0
        notify(f"{_error_of(state)} Trying again in {seconds:.0f} s.")

    return Retrying(
        retry=retry_if_exception_type(UnavailableError),
        stop=stop_after_attempt(attempts),
        wait=_wait,
        before_sleep=before_sleep,
        sleep=sleep,
        reraise=True,
    )


def checked(request: Callable[[], httpx.Response]) -> httpx.Response:
    """Make a request and return its answer if that has a status of success.

    Raises UnavailableError if the request may be repeated, else RequestRejectedError or
    UnreachableError.
    """
    try:
        answer = request()
    except httpx.TransportError as error:
        cause = str(error) or type(error).__name__
        raise UnavailableError(f"The service cannot be reached ({cause}).") from error
    if answer.is_success:
        return answer
    rejection = _error_in(answer)
    if answer.status_code in _TEMPORARY:
        raise UnavailableError(str(rejection), _retry_after(answer))
    raise rejection


def json_object(answer: httpx.Response) -> dict[str, Any]:
    """Return the JSON object in an answer; raises UnreachableError if there is none."""
    try:
        value = answer.json()
    except ValueError:  # not JSON, or not even text
        value = None
    if not isinstance(value, dict):
        raise UnreachableError(
            f"This is not a contacts importer: {_summary(answer)} without a JSON object."
        )
    return value


def _error_in(answer: httpx.Response) -> ClientError:
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        return RequestRejectedError(answer.status_code, problem)
    return UnreachableError(
        f"This is not a contacts importer, or a proxy answered for it: {_summary(answer)}."
    )


def _wait(state: RetryCallState) -> float:
    error = _error_of(state)
    retry_after = error.retry_after if isinstance(error, UnavailableError) else None
    return max(float(_backoff(state)), retry_after or 0.0)


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _retry_after(answer: httpx.Response) -> float | None:
    """Return Retry-After in seconds, bounded; None if it is missing or a date."""
    value = answer.headers.get("Retry-After", "")
    if not (value.isascii() and value.isdecimal()):
        return None
    return min(float(value), _MAX_RETRY_AFTER_SECONDS)


def _summary(answer: httpx.Response) -> str:
    return f"{answer.url.copy_with(query=None)} answered {answer.status_code}"
