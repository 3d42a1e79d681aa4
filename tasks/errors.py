"""What the workers raise beside the errors of config.

ImporterError
├── ImportCancelledError              the import is being cancelled: its part ends here
├── InvalidTransitionError
│   └── StaleAttemptError  the part was given to another attempt
├── PartFailedError             a part can never be imported as it stands; a person must act
├── RetryLaterError                 not now: the message has to come again later
└── WorkerStoppingError    not here: this worker was told to stop
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self
from uuid import UUID

from core.errors import (
    ImporterError,
    InvalidTransitionError,
    PermanentError,
    TransientError,
    UpstreamError,
)
from core.supabase.errors import translate_transition_errors


class ImportCancelledError(ImporterError):
    """Nothing more of the part's import shall be written; what is in stays."""


class PartFailedError(ImporterError):
    """``code`` is for programs; ``detail`` is for clients: no hosts, no keys, no SQL in it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class RetryLaterError(ImporterError):
    """``seconds`` is how long to wait at least; None leaves it to the queue's backoff.

    The backoff is waited for where it is longer, unless the time is ``exact``. ``ended`` is an
    attempt that ended in order while the repository could not be reached: the message carries it, so
    that the next attempt can report it.
    """

    def __init__(
        self,
        reason: str,
        seconds: float | None = None,
        *,
        exact: bool = False,
        ended: UUID | None = None,
    ) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.exact = exact
        self.ended = ended

    @classmethod
    def since(cls, error: UpstreamError, reason: str, *, ended: UUID | None = None) -> Self:
        """Because something is away; until the time that it named, if it did.

        TransientError bounds that time; the queue's backoff applies as well.
        """
        seconds = error.retry_after if isinstance(error, TransientError) else None
        return cls(reason, seconds, ended=ended)


class StaleAttemptError(InvalidTransitionError):
    """The part was given to another attempt meanwhile: this one must not change it any more."""


class WorkerStoppingError(ImporterError):
    """The worker was told to stop: what it has in work is handed back.

    ``ended`` is as in RetryLaterError.
    """

    def __init__(self, ended: UUID | None = None) -> None:
        super().__init__("the worker is stopping")
        self.ended = ended


_WRITES_REFUSED: Final[dict[str, type[ImporterError]]] = {
    "CI001": InvalidTransitionError,
    "CI002": ImportCancelledError,
    "CI003": StaleAttemptError,
}
"""By SQLSTATE: the part has ended, its import is being cancelled, another attempt has the part."""


@contextmanager
def write_errors_translated() -> Iterator[None]:
    """Raise InvalidTransitionError or ImportCancelledError in place of the errors that refuse a write of an attempt."""
    try:
        yield
    except PermanentError as error:
        if error.code in _WRITES_REFUSED:
            raise _WRITES_REFUSED[error.code](error.detail) from None
        raise


@contextmanager
def part_transitions_translated() -> Iterator[None]:
    """Raise the same, and InvalidTransitionError for a move that the part's state does not allow.

    Not for writes: a trigger on the contacts table may refuse a row with that SQLSTATE, too.
    """
    with translate_transition_errors(), write_errors_translated():
        yield
