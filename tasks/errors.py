"""What the workers raise beside the errors of config.

ImporterError
├── Cancelled              the import is being cancelled: its part ends here
├── IllegalMove
│   └── StaleAttemptError  the part was given to another attempt
├── PartFailed             a part can never be imported as it stands; a person must act
├── PutOff                 not now: the message has to come again later
└── WorkerStoppingError    not here: this worker was told to stop
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Self
from uuid import UUID

from config.errors import IllegalMove, ImporterError, Permanent, Transient, UpstreamError
from config.upstream import moves_refused


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

    The backoff is waited for where it is longer, unless the time is ``exact``. ``ended`` is an
    attempt that ended in order while the ledger could not be reached: the message carries it, so
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

        Transient bounds that time; the queue's backoff applies as well.
        """
        seconds = error.retry_after if isinstance(error, Transient) else None
        return cls(reason, seconds, ended=ended)


class StaleAttemptError(IllegalMove):
    """The part was given to another attempt meanwhile: this one must not change it any more."""


class WorkerStoppingError(ImporterError):
    """The worker was told to stop: what it has in work is handed back.

    ``ended`` is as in PutOff.
    """

    def __init__(self, ended: UUID | None = None) -> None:
        super().__init__("the worker is stopping")
        self.ended = ended


_WRITES_REFUSED: Final[dict[str, type[ImporterError]]] = {
    "CI001": IllegalMove,
    "CI002": Cancelled,
    "CI003": StaleAttemptError,
}
"""By SQLSTATE: the part has ended, its import is being cancelled, another attempt has the part."""


@contextmanager
def writes_refused() -> Iterator[None]:
    """Raise IllegalMove or Cancelled in place of the errors that refuse a write of an attempt."""
    try:
        yield
    except Permanent as error:
        if error.code in _WRITES_REFUSED:
            raise _WRITES_REFUSED[error.code](error.detail) from None
        raise


@contextmanager
def part_moves_refused() -> Iterator[None]:
    """Raise the same, and IllegalMove for a move that the part's state does not allow.

    Not for writes: a trigger on the contacts table may refuse a row with that SQLSTATE, too.
    """
    with moves_refused(), writes_refused():
        yield
