"""Everything that can go wrong on purpose.

ImporterError
├── SelfCheckError               this Python reads known samples wrongly: do not start
├── MalformedInputError          a body or a stored object breaks its format's grammar or a bound
├── InvalidTransitionError       the database refused a state change of an import or a part
├── BatchTooLargeError           a batch takes too long or is too large: send less at a time
└── UpstreamError                Storage, PostgREST or Postgres did not do what was asked
    ├── TransientError           may succeed later: wait, then retry
    └── PermanentError           a retry cannot help: a person must act
"""

from typing import Final

LONGEST_WAIT: Final = 60.0
"""The most seconds that a Retry-After of Supabase can delay the next try."""


class ImporterError(Exception):
    """Root of the tree, so that a caller can tell our errors from bugs."""


class SelfCheckError(ImporterError):
    """Samples of which the answers are known are read in another way by this Python."""


class MalformedInputError(ImporterError):
    """Input that breaks its format's grammar or one of our bounds.

    ``code`` is stable and meant for programs, ``detail`` for people. ``offset`` counts bytes
    from the start of the text that the client sent, as UTF-8; ``record`` counts records from 1.
    ``param`` is the name of the parameter at fault, where the code does not imply it.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        offset: int | None = None,
        record: int | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.offset = offset
        self.record = record
        self.param = param


class InvalidTransitionError(ImporterError):
    """An import or a part is not in a state from which the move asked for is possible."""


class UpstreamError(ImporterError):
    """A piece of Supabase failed us; ``upstream`` says which (``storage``, ``database``).

    ``code`` is the other side's word for it, ``status`` its HTTP status where it gave one.
    ``undone`` is True where it is certain that nothing was done: no answer was lost.
    """

    undone = False

    def __init__(
        self, upstream: str, detail: str, *, code: str = "unknown", status: int | None = None
    ) -> None:
        super().__init__(f"{upstream}: {detail}")
        self.upstream = upstream
        self.detail = detail
        self.code = code
        self.status = status


class TransientError(UpstreamError):
    """Worth another try, after ``retry_after`` seconds if the other side named a time.

    ``retry_after`` is at most LONGEST_WAIT, however long the named time is: a part must not wait
    for a day because of one header.
    """

    def __init__(  # noqa: PLR0913 -- all that is known of it
        self,
        upstream: str,
        detail: str,
        *,
        code: str = "unknown",
        status: int | None = None,
        retry_after: float | None = None,
        undone: bool = False,
    ) -> None:
        super().__init__(upstream, detail, code=code, status=status)
        self.retry_after = None if retry_after is None else min(retry_after, LONGEST_WAIT)
        self.undone = undone


class PermanentError(UpstreamError):
    """Not worth another try as it stands: keys, schema, a missing bucket or object."""

    undone = True


class BatchTooLargeError(ImporterError):
    """The batch has to become smaller."""
