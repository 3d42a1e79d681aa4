"""What the workers raise beside the errors of config.

ImporterError
├── IllegalMove      the database refused to move a part: another worker was quicker
├── PartFailed       a part can never be imported as it stands; a person must act
└── PutOff           not now: the message has to come again later
"""

from config.errors import ImporterError


class IllegalMove(ImporterError):  # noqa: N818 -- reads as a sentence where it is raised
    """A part is not in a state from which the move asked for is possible."""


class PartFailed(ImporterError):  # noqa: N818
    """``code`` is for programs; ``detail`` is for clients: no hosts, no keys, no SQL in it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class PutOff(ImporterError):  # noqa: N818
    """``seconds`` is how long to wait at least; None leaves it to the queue's backoff."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds
