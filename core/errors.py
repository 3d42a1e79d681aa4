"""The errors that this project raises on purpose.

ImporterError
├── SelfCheckError               this Python reads known samples wrongly: the process must not start
├── MalformedInputError          a body or a stored object breaks its format's grammar or a limit
├── InvalidTargetError           a webhook address that no request may go to
├── InvalidTransitionError       the state of an import or a part does not allow the change
├── ExpiredError                 what the change needs was kept for a time that is over
├── BatchTooLargeError           a batch is too large or takes too long: send less at a time
└── UpstreamError                Storage, PostgREST or Postgres failed or rejected a request
    ├── TransientError           may succeed later: wait, then retry
    │   └── StorageConflictError Storage is in another state than the request assumes
    └── PermanentError           a retry cannot help: a person must act

``tasks.errors`` adds what only the workers raise, ``config.settings`` has SettingsError.
"""

from typing import Any, Final

MAX_RETRY_AFTER: Final = 60.0
"""Longest wait in seconds that a Retry-After header of Supabase can cause."""


class ImporterError(Exception):
    """Root of the tree, so that callers can distinguish our errors from bugs."""


class SelfCheckError(ImporterError):
    """Samples whose right result is known are read wrongly by this Python."""


class MalformedInputError(ImporterError):
    """Input that breaks its format's grammar or one of our limits.

    ``code`` is stable and for programs, ``detail`` is for people. ``offset`` counts bytes from
    the start of the text that the client sent, as UTF-8; ``record`` counts records from 1.
    ``param`` is the name of the parameter at fault, where the code does not imply it. ``extra``
    holds what a client needs to answer a question, such as ``columns`` or ``encodings``.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        offset: int | None = None,
        record: int | None = None,
        param: str | None = None,
        **extra: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.offset = offset
        self.record = record
        self.param = param
        self.extra = extra


class InvalidTargetError(ImporterError):
    """No webhook request may go to an address; the message gives the reason, for a client."""


class InvalidTransitionError(ImporterError):
    """The current state of an import or a part does not allow the requested change."""


class ExpiredError(ImporterError):
    """What the requested change needs, such as an import's object, has expired."""


class BatchTooLargeError(ImporterError):
    """The batch has to be made smaller."""


class UpstreamError(ImporterError):
    """A part of Supabase failed; ``upstream`` says which (``storage`` or ``database``).

    ``code`` is what that part calls the error, ``status`` is its HTTP status where it sent one.
    ``not_committed`` is True where it is certain that the request changed nothing: it was never
    sent, or the answer says so.
    """

    not_committed = False

    def __init__(
        self, upstream: str, detail: str, *, code: str = "unknown", status: int | None = None
    ) -> None:
        super().__init__(f"{upstream}: {detail}")
        self.upstream = upstream
        self.detail = detail
        self.code = code
        self.status = status


class TransientError(UpstreamError):
    """May succeed later, after ``retry_after`` seconds if the upstream named a time.

    ``retry_after`` is at most MAX_RETRY_AFTER: one header must not delay a part for a day.
    """

    def __init__(  # noqa: PLR0913 -- all that is known about the failure
        self,
        upstream: str,
        detail: str,
        *,
        code: str = "unknown",
        status: int | None = None,
        retry_after: float | None = None,
        not_committed: bool = False,
    ) -> None:
        super().__init__(upstream, detail, code=code, status=status)
        self.retry_after = None if retry_after is None else min(retry_after, MAX_RETRY_AFTER)
        self.not_committed = not_committed


class StorageConflictError(TransientError):
    """Storage is in another state than the request assumes: ask for its state, then go on.

    Raised if a resumable upload is at another offset, if an object's name is already taken, and if
    an object that is expected does not exist.
    """


class PermanentError(UpstreamError):
    """The same request cannot succeed: a wrong key, another schema, a missing bucket or object."""

    not_committed = True
