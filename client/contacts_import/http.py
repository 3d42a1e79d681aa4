"""Asking the service, again where that is safe and may help."""

import json
from collections.abc import Callable
from typing import Any, Final

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential

from contacts_import.errors import ClientError, RequestRejectedError, UnreachableError

TRIES: Final = 6
_AWAY: Final = {429, 502, 503, 504}
_patience: Final = wait_exponential(multiplier=0.5, max=15)


class UnavailableError(UnreachableError):
    """Worth another try, after ``retry_after`` seconds if the service named a time."""

    def __init__(self, words: str, retry_after: float | None = None) -> None:
        super().__init__(words)
        self.retry_after = retry_after


def calls(note: Callable[[str], None], *, tries: int = TRIES) -> Retrying:
    """Repeats a call that raises UnavailableError; ``note`` is told each time."""

    def noting(state: RetryCallState) -> None:
        seconds = state.next_action.sleep if state.next_action else 0
        error = state.outcome.exception() if state.outcome else None
        note(f"{error} Trying again in {seconds:.0f} s.")

    return Retrying(
        retry=retry_if_exception_type(UnavailableError),
        stop=stop_after_attempt(tries),
        wait=_wait,
        before_sleep=noting,
        reraise=True,
    )


def ask(request: Callable[[], httpx.Response]) -> httpx.Response:
    """The answer, if it is none of an error; raises UnavailableError, RequestRejectedError or UnreachableError."""
    try:
        answer = request()
    except httpx.TransportError as error:
        raise UnavailableError(f"The service cannot be reached ({_cause(error)}).") from error
    if answer.is_success:
        return answer
    refusal = refused(answer)
    if answer.status_code in _AWAY:
        raise UnavailableError(str(refusal), _seconds(answer))
    raise refusal


def refused(answer: httpx.Response) -> ClientError:
    """What an answer says that is an error."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        return RequestRejectedError(answer.status_code, problem)
    return UnreachableError(
        f"This is no contacts importer, or it is behind one: {_status(answer)}."
    )


def told(answer: httpx.Response) -> dict[str, Any]:
    """The object that an answer holds."""
    try:
        found = answer.json()
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise UnreachableError(f"This is no contacts importer: {_status(answer)} without JSON.")
    return found


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    named = error.retry_after if isinstance(error, UnavailableError) else None
    return max(float(_patience(state)), named or 0.0)


def _seconds(answer: httpx.Response) -> float | None:
    value = answer.headers.get("Retry-After", "")
    return min(float(value), 60.0) if value.isascii() and value.isdecimal() else None


def _status(answer: httpx.Response) -> str:
    return f"{answer.url.copy_with(query=None)} says {answer.status_code}"


def _cause(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__
