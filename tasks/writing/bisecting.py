"""Writes a batch of which the database may reject some rows.

One bad row makes Postgres reject the whole batch without naming the row. Then the batch is written
once more, row by row, by an SQL function that returns the rows it could not store: one more request
per batch, however many rows are bad.

SQLSTATEs that blame a row: class 22 (a value), 23 (a constraint), 44 (a view's check option), P0
(raised by a trigger), 54000 (too large for an index), and PT4xx (an HTTP status raised by a
trigger). A batch that is too large or takes too long (413; 57014, a statement timeout) is halved.
All other errors (keys, missing tables and columns, permissions) concern the request, not a row.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import structlog

from core.errors import BatchTooLargeError, PermanentError, TransientError
from core.records.classify import RejectedRecord
from core.records.rejection_reasons import refused_by_database
from core.supabase.errors import DATABASE
from tasks.importing.models import Batch

log = structlog.stdlib.get_logger(__name__)

ROW_ERRORS: Final = ("22", "23", "44", "P0", "54000", "PT4")
"""Beginnings of the SQLSTATEs that blame a row."""


def write_bisecting(
    batch: Batch,
    write: Callable[[Batch], None],
    write_by_row: Callable[[Batch], list[RejectedRecord]],
) -> list[RejectedRecord]:
    """Write a batch, halved where it is too large; returns the records that the database rejects.

    ``write`` raises PermanentError with an SQLSTATE as code if a row is rejected; ``write_by_row``
    returns the rejected ones. Both raise BatchTooLargeError, and their other errors are passed on.
    """
    try:
        if batch.has_contacts:
            write(batch)
    except PermanentError as error:
        if not error.code.startswith(ROW_ERRORS):
            raise
        return _write_by_row(batch, write_by_row)
    except BatchTooLargeError:
        first, second = _halves(batch)
        return write_bisecting(first, write, write_by_row) + write_bisecting(
            second, write, write_by_row
        )
    return []


def _write_by_row(
    batch: Batch, write_by_row: Callable[[Batch], list[RejectedRecord]]
) -> list[RejectedRecord]:
    try:
        return write_by_row(batch)
    except BatchTooLargeError:
        first, second = _halves(batch)
        return _write_by_row(first, write_by_row) + _write_by_row(second, write_by_row)


def _halves(batch: Batch) -> tuple[Batch, Batch]:
    if len(batch) == 1:
        raise TransientError(DATABASE, "one row takes too long to write", code="57014") from None
    half = len(batch) // 2
    return batch.between(0, half), batch.between(half, len(batch))


def rejected_records(result: dict[str, Any]) -> list[RejectedRecord]:
    """Read what the SQL function ``insert_apart`` returns; logs each SQLSTATE once."""
    codes, messages = result["codes"], result["reasons"]
    for code, count in Counter(codes).items():
        log.info("database rejected records", code=code, count=count, reason=messages[code])
    reasons = {code: refused_by_database(code) for code in messages}
    return [
        RejectedRecord(record, reasons[code])
        for record, code in zip(result["records"], codes, strict=True)
    ]
