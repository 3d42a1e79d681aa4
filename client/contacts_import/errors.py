"""What ends the command before an import has ended well.

ClientError
├── UsageError       what was asked for cannot be meant
├── RequestRejectedError          the service said no; it told why
└── UnreachableError      the service did not answer, and asking again did not help
"""

from typing import Any


class ClientError(Exception):
    """The message is for the person at the terminal."""


class UsageError(ClientError):
    """Wrong arguments, or a file that cannot be read."""


class RequestRejectedError(ClientError):
    """The service's problem in words."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(_words(status, problem))
        self.code = str(problem.get("code", "unknown"))


class UnreachableError(ClientError):
    """No answer, or none that makes sense."""


def _words(status: int, problem: dict[str, Any]) -> str:
    title = problem.get("title", f"HTTP {status}")
    places = [f"{where} {problem[where]}" for where in ("record", "offset") if where in problem]
    at = f" ({', '.join(places)})" if places else ""
    return f"{title}{at}. {problem.get('detail', '')}".rstrip()
