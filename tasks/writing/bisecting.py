"""Finds the rows that only the database refuses.

One bad row makes Postgres refuse a whole batch without saying which. Then the database itself
writes the batch once more, row by row, and returns those that it refuses: one more request, however
many they are.

Errors that tell of bad data (SQLSTATE): class 22 (a value), 23 (a constraint), 44 (a view's check),
P0 (raised by a trigger), 54000 (too large for an index), and PT4xx (a trigger that speaks HTTP).
What is too much at a time (57014, a statement timeout; 413) is halved. All the rest (keys,
missing tables and columns, permissions) is about the request: no row is to blame.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import structlog

from core.errors import BatchTooLargeError, PermanentError, TransientError
from core.supabase.errors import DATABASE
from tasks.importing.models import Batch, RejectedRecord
from tasks.importing.rejection_reasons import refused_by_database

log = structlog.stdlib.get_logger(__name__)

BAD_DATA: Final = ("22", "23", "44", "P0", "54000", "PT4")


def write_bisecting(
    batch: Batch,
    write: Callable[[Batch], None],
    write_apart: Callable[[Batch], list[RejectedRecord]],
) -> list[RejectedRecord]:
    """Write a batch, in halves where it is too much at a time; returns what the database refuses.

    ``write`` raises UpstreamError with the SQLSTATE as its code if a row is refused;
    ``write_apart`` writes row by row. Both raise BatchTooLargeError. Errors that blame no row are raised.
    """
    try:
        if batch.has_contacts:
            write(batch)
    except PermanentError as error:
        if not error.code.startswith(BAD_DATA):
            raise
        return _write_apart(batch, write_apart)
    except BatchTooLargeError:
        first, second = _halves(batch)
        return write_bisecting(first, write, write_apart) + write_bisecting(
            second, write, write_apart
        )
    return []


def _write_apart(
    batch: Batch, write_apart: Callable[[Batch], list[RejectedRecord]]
) -> list[RejectedRecord]:
    try:
        return write_apart(batch)
    except BatchTooLargeError:
        first, second = _halves(batch)
        return _write_apart(first, write_apart) + _write_apart(second, write_apart)


def _halves(batch: Batch) -> tuple[Batch, Batch]:
    if len(batch) == 1:
        raise TransientError(DATABASE, "took too long for one row", code="57014") from None
    half = len(batch) // 2
    return batch.between(0, half), batch.between(half, len(batch))


def refusals_of(found: dict[str, Any]) -> list[RejectedRecord]:
    """What the SQL function ``insert_apart`` returns; logs each SQLSTATE once, with its reason."""
    for code, count in Counter(found["codes"]).items():
        log.info("database refused records", code=code, count=count, reason=found["reasons"][code])
    reasons = {code: refused_by_database(code) for code in found["reasons"]}
    refused = zip(found["records"], found["codes"], strict=True)
    return [RejectedRecord(record, reasons[code]) for record, code in refused]
