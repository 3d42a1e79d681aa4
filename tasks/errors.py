"""What the workers raise beside the errors of config.

ImporterError
├── Cancelled        the import is being cancelled: its part ends here
├── PartFailed       a part can never be imported as it stands; a person must act
└── PutOff           not now: the message has to come again later
"""

from typing import Self

from config.errors import ImporterError, Transient, UpstreamError


class Cancelled(ImporterError):  # noqa: N818 -- reads as a sentence where it is raised
    """Nothing more of the part's import shall be written; what is in stays."""


class PartFailed(ImporterError):  # noqa: N818
    """``code`` is for programs; ``detail`` is for clients: no hosts, no keys, no SQL in it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class PutOff(ImporterError):  # noqa: N818
    """``seconds`` is how long to wait at least; None leaves it to the queue's backoff.

    The backoff is waited for where it is longer, unless the time is ``exact``.
    """

    def __init__(self, reason: str, seconds: float | None = None, *, exact: bool = False) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.exact = exact

    @classmethod
    def since(cls, error: UpstreamError, reason: str) -> Self:
        """Because something is away; until the time that it named, if it did.

        Transient bounds that time; the queue's backoff applies as well.
        """
        return cls(reason, error.retry_after if isinstance(error, Transient) else None)
