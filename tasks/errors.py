"""Errors of the workers, besides those of ``core.errors``.

ImporterError
├── InvalidTransitionError
│   └── StaleAttemptError       the part is owned by another attempt now
├── ImportCancelledError        the import is being cancelled: work on its part stops
├── PartFailedError             the part cannot be imported as it is: a retry cannot help
├── RetryLaterError             not now: the message has to be processed again later
└── WorkerStoppingError         this worker is stopping: another one has to do the work
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

EXIT_UNFIT: Final = 2
"""Exit code of a worker process that cannot start with this environment."""


class StaleAttemptError(InvalidTransitionError):
    """The part has been given to another attempt; this one must not change it any more."""


class ImportCancelledError(ImporterError):
    """The import is being cancelled. What its part has written so far stays."""


class PartFailedError(ImporterError):
    """The part fails for good.

    ``code`` is for programs, ``detail`` for clients: no host names, keys or SQL in it.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class RetryLaterError(ImporterError):
    """The message has to be processed again, after at least ``seconds``.

    None leaves the delay to the queue's backoff. The backoff applies where it is longer than
    ``seconds``, unless the time is ``exact``. ``ended_attempt`` is an attempt whose end could not
    be recorded, since the database was unavailable: the message carries its id, so that the next
    attempt can report it and it does not count as a crash.
    """

    def __init__(
        self,
        reason: str,
        seconds: float | None = None,
        *,
        exact: bool = False,
        ended_attempt: UUID | None = None,
    ) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.exact = exact
        self.ended_attempt = ended_attempt

    @classmethod
    def because_of(
        cls, error: UpstreamError, reason: str, *, ended_attempt: UUID | None = None
    ) -> Self:
        """Retry after the time that an unavailable upstream has asked for, if it has.

        TransientError limits that time.
        """
        seconds = error.retry_after if isinstance(error, TransientError) else None
        return cls(reason, seconds, ended_attempt=ended_attempt)


class WorkerStoppingError(ImporterError):
    """The worker was asked to stop; its unfinished work is handed back to the queue.

    ``ended_attempt`` is as in RetryLaterError.
    """

    def __init__(self, ended_attempt: UUID | None = None) -> None:
        super().__init__("the worker is stopping")
        self.ended_attempt = ended_attempt


_WRITE_ERRORS: Final[dict[str, type[ImporterError]]] = {
    "CI001": InvalidTransitionError,
    "CI002": ImportCancelledError,
    "CI003": StaleAttemptError,
}
"""By SQLSTATE: the part has ended, its import is being cancelled, another attempt owns the part."""


@contextmanager
def translate_write_errors() -> Iterator[None]:
    """Translate the SQLSTATEs with which the database rejects a write of an attempt.

    Raises InvalidTransitionError if the part has ended, StaleAttemptError if another attempt owns
    it, and ImportCancelledError if its import is being cancelled.
    """
    try:
        yield
    except PermanentError as error:
        if error.code in _WRITE_ERRORS:
            raise _WRITE_ERRORS[error.code](error.detail) from None
        raise


@contextmanager
def translate_part_errors() -> Iterator[None]:
    """Translate these, and the SQLSTATE of a transition that the part's state does not allow.

    Not for writes: a trigger on the contacts table may reject a row with that SQLSTATE too.
    """
    with translate_transition_errors(), translate_write_errors():
        yield
