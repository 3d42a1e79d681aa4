"""Errors that end the command; each message is shown to the user as it is.

ClientError
├── UsageError              the arguments are wrong, or a file cannot be read or written
├── RequestRejectedError    the service answered with a problem
└── UnreachableError        the service did not answer, or what answered is not the service
    └── UnavailableError    the same, and the request may succeed if it is repeated
"""

from typing import Any

from contacts_import.questions import answers_to
from contacts_import.text import printable
from contacts_import.variables import KEY_VARIABLE


class ClientError(Exception):
    """Base class; the message is meant for the user."""


class UsageError(ClientError):
    """The arguments are wrong, or a local file cannot be read or written."""


class RequestRejectedError(ClientError):
    """The service answered with a problem (RFC 9457), whose text is the message.

    If it asks something about the file, further lines have the options that answer it; if it is
    about the key, where that is taken from.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.code = str(problem.get("code", "unknown"))
        lines = [_describe(status, problem), *answers_to(problem)]
        if self.code in {"api_key_missing", "api_key_invalid"}:
            lines.append(f"The key is taken from the environment variable {KEY_VARIABLE}.")
        super().__init__("\n".join(lines))


class UnreachableError(ClientError):
    """The service did not answer, or the answer is not one that the service gives."""


class UnavailableError(UnreachableError):
    """The service is temporarily unavailable, so the request may be repeated.

    ``retry_after`` is the number of seconds that the service asked to wait, if it did.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def _describe(status: int, problem: dict[str, Any]) -> str:
    """Return title, position and detail of a problem in one line."""
    title = problem.get("title", f"HTTP {status}")
    positions = [f"{key} {problem[key]}" for key in ("record", "offset") if key in problem]
    position = f" ({', '.join(positions)})" if positions else ""
    return printable(f"{title}{position}. {problem.get('detail', '')}")
