"""Everything that can go wrong on purpose.

ImporterError
├── SettingsError          the process must not start
├── SelfCheckError         the process must not start: this Python would spoil data
├── MalformedInput         the bytes of a body or an object are not what they claim to be
├── IllegalMove            the database refused to move an import or a part: see its state
└── UpstreamError          Storage, PostgREST or Postgres did not do what was asked
    ├── Transient          later it may work: wait, then ask again
    └── Permanent          asking again will not help: a person must act
"""

from typing import Final

LONGEST_WAIT: Final = 60.0
"""The most seconds that a Retry-After of Supabase can delay the next try."""


class ImporterError(Exception):
    """Root of the tree, so that a caller can tell our errors from bugs."""


class SettingsError(ImporterError):
    """One or more settings are missing or nonsensical; ``lines`` has one line for each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class SelfCheckError(ImporterError):
    """Samples of which the answers are known are read in another way by this Python."""


class MalformedInput(ImporterError):  # noqa: N818 -- reads as a sentence where it is raised
    """Input that breaks its format's grammar or one of our bounds.

    ``code`` is stable and meant for programs, ``detail`` for people. ``offset`` counts bytes
    from the start of the text that the client sent, as UTF-8; ``record`` counts records from 1.
    """

    def __init__(
        self, code: str, detail: str, *, offset: int | None = None, record: int | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.offset = offset
        self.record = record


class IllegalMove(ImporterError):  # noqa: N818
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


class Transient(UpstreamError):  # noqa: N818
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


class Permanent(UpstreamError):  # noqa: N818
    """Not worth another try as it stands: keys, schema, a missing bucket or object."""

    undone = True
