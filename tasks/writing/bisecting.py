"""Finds the rows that only the database refuses.

One bad row makes Postgres refuse a whole batch without saying which; then the batch is halved until
that row stands alone.

Errors that tell of bad data (SQLSTATE): class 22 (a value), 23 (a constraint), 44 (a view's check),
P0 (raised by a trigger), 54000 (too large for an index), and PT4xx (a trigger that speaks HTTP).
What is too much at a time (57014, a statement timeout; 413) is halved as well. All the rest (keys,
missing tables and columns, permissions) is about the request: no row is to blame.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from config.errors import ImporterError, Permanent, Transient, UpstreamError
from config.upstream import DATABASE
from tasks.model import Batch, Refusal
from tasks.reasons import refused_by_database

log = structlog.stdlib.get_logger(__name__)

BAD_DATA: Final = ("22", "23", "44", "P0", "54000", "PT4")
_TOO_MUCH: Final = frozenset({"57014", "413"})


class TooMuch(ImporterError):  # noqa: N818 -- reads as a sentence where it is raised
    """The batch has to become smaller."""


@contextmanager
def too_much_told() -> Iterator[None]:
    """Raise TooMuch where what was sent was refused for its size or its time."""
    try:
        yield
    except UpstreamError as error:
        if error.code in _TOO_MUCH:
            raise TooMuch from error
        raise


def write_bisecting(batch: Batch, send: Callable[[Batch], None]) -> list[Refusal]:
    """Send a batch, in halves where that is needed; returns what the database refuses.

    ``send`` raises TooMuch, or UpstreamError with the SQLSTATE as its code; those that blame no row
    are raised from here.
    """
    try:
        if batch.has_contacts:
            send(batch)
    except Permanent as error:
        if not error.code.startswith(BAD_DATA):
            raise
        if len(batch) == 1:
            return [_refusal(batch, error)]
    except TooMuch:
        if len(batch) == 1:
            raise Transient(DATABASE, "took too long for one row", code="57014") from None
    else:
        return []
    half = len(batch) // 2
    first, second = batch.between(0, half), batch.between(half, len(batch))
    return write_bisecting(first, send) + write_bisecting(second, send)


def _refusal(batch: Batch, error: Permanent) -> Refusal:
    log.info("database refused", record=batch.first_record, code=error.code, reason=error.detail)
    return Refusal(batch.first_record, refused_by_database(error.code))
