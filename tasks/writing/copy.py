"""Writes contacts with COPY, over a direct connection to Postgres.

An attempt is one transaction: its contacts, its rejections and the end of its part become visible
together, or not at all. The transaction holds a lock on the part, so a second attempt waits for it
and then finds the part done. Contacts that an earlier attempt has written through PostgREST are
deleted first.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.rows import scalar_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from config.settings import Settings
from core.errors import InvalidTransitionError
from core.records.classify import RejectedRecord
from core.rejection_objects import Rejection
from core.states import ImportState
from core.supabase.errors import DATABASE, error_from_code, translate_size_errors
from tasks.errors import ImportCancelledError, StaleAttemptError, translate_part_errors
from tasks.importing.models import (
    Batch,
    PartCounts,
    PartEnd,
    PartWork,
    RejectionObject,
)
from tasks.queue.connections import SERVER_KEEPALIVES, libpq_arguments
from tasks.writing.bisecting import ROW_ERRORS, rejected_records, write_bisecting
from tasks.writing.rejections import rejection_row
from tasks.writing.row_encoding import encode_batch, encode_copy_rows

Connection = psycopg.Connection[tuple[Any, ...]]

_MAX_CONNECTIONS: Final = 64
"""More than a process has threads, each of which uses one at most."""
# A lock with two keys: dramatiq-pg's locks have one.
_LOCK_PART: Final = "select pg_advisory_xact_lock(hashtext('part'), hashtext(%s))"
_READ_PART: Final = """
    select state, attempt from public.import_parts where import_id = %s and part = %s
"""
_READ_IMPORT_STATE: Final = "select state from public.imports where id = %s"
_DELETE_CONTACTS: Final = "delete from public.contacts where id between %s and %s"
_COPY_CONTACTS: Final = """
    copy public.contacts (id, name, email, source) from stdin with (null '')
"""
_WRITE_BY_ROW: Final = "select public.insert_apart(%s)"
_INSERT_REJECTION: Final = """
    insert into public.import_rejections (import_id, record, part, code, message, content)
    values (%(import_id)s, %(record)s, %(part)s, %(code)s, %(message)s, %(content)s)
"""
_INSERT_REJECTION_OBJECT: Final = """
    insert into public.import_rejection_objects
      (import_id, part, first_record, last_record, codes, object)
    values (%s, %s, %s, %s, %s, %s)
"""
_FINISH_PART: Final = """
    select public.finish_part(
      %(import)s, %(part)s, %(attempt)s, %(imported)s, %(rejected)s, %(ignored)s, %(skipped)s,
      %(warnings)s)
"""


def connection_pool(settings: Settings) -> ConnectionPool[Connection]:
    """Return a pool for the threads of a process; it connects when a connection is first needed.

    A thread waits for a connection for ``settings.upstream_deadline`` seconds at most.
    """

    def configure(connection: Connection) -> None:
        connection.execute(SERVER_KEEPALIVES)
        connection.commit()

    return ConnectionPool(
        kwargs=libpq_arguments(settings),
        configure=configure,
        check=ConnectionPool.check_connection,
        min_size=0,
        max_size=_MAX_CONNECTIONS,
        timeout=settings.upstream_deadline,
        open=False,
        name="contacts",
    )


@contextmanager
def copy_writer(
    pool: ConnectionPool[Connection], work: PartWork, *, batch_records: int
) -> Iterator["CopyWriter"]:
    """Make a writer with a transaction, which is rolled back unless ``finish`` was called.

    Raises UpstreamError if there is no connection, InvalidTransitionError if the part has ended,
    and StaleAttemptError if it is owned by another attempt.
    """
    with translate_psycopg_errors(), pool.connection() as connection:
        import_id, part = work.import_id, work.part
        with connection.cursor() as cursor:
            cursor.execute(_LOCK_PART, [f"{import_id} {part.part}"])
            row = cursor.execute(_READ_PART, [import_id, part.part]).fetchone()
            state, attempt = row or (None, None)
            # It waits if a crash of Postgres has lost its start.
            if state in ("queued", "importing") and attempt != work.attempt.id:
                raise StaleAttemptError("the part is owned by another attempt")
            if state != "importing":
                raise InvalidTransitionError(f"the part is {state}")
            # A deferred constraint would fail at the commit, where no row can be blamed.
            cursor.execute("set constraints all immediate")
            if work.rerun:
                prefix = work.contact_prefix
                first, last = part.first_record, part.first_record + part.records - 1
                cursor.execute(_DELETE_CONTACTS, [f"{prefix}{first:09x}", f"{prefix}{last:09x}"])
        yield CopyWriter(connection, work, batch_records)


class CopyWriter:
    """A ContactWriter: what it has written is visible once the part is finished."""

    def __init__(self, connection: Connection, work: PartWork, batch_records: int) -> None:
        self.batch_records = batch_records
        self._connection = connection
        self._work = work

    def write(self, batch: Batch) -> list[RejectedRecord]:
        """COPY in a savepoint, and row by row if the database rejects one."""
        self._check_cancelled()
        return write_bisecting(batch, self._copy, self._write_by_row)

    def contacts_among(self, records: list[int]) -> set[int]:  # noqa: ARG002
        """Return an empty set: they were deleted when this attempt started."""
        return set()

    def reject(self, rejections: Sequence[Rejection]) -> None:
        """Insert them in one round trip."""
        self._check_cancelled()
        rows = [rejection_row(self._work.attempt, rejection) for rejection in rejections]
        with translate_psycopg_errors(), self._connection.cursor() as cursor:
            cursor.executemany(_INSERT_REJECTION, rows)

    def add_rejection_object(self, stored: RejectionObject) -> None:
        """Insert it."""
        values = [
            *(self._work.import_id, self._work.part.part, stored.first_record, stored.last_record),
            *(Jsonb(stored.codes), stored.object),
        ]
        with translate_psycopg_errors():
            self._connection.execute(_INSERT_REJECTION_OBJECT, values)

    def write_last(self, batch: Batch, counts: PartCounts) -> PartEnd | None:
        """Return None: everything is one transaction anyway, so this would save nothing."""

    def finish(self, counts: PartCounts) -> PartEnd:
        """Finish the part and commit."""
        attempt = self._work.attempt
        ids = {"import": attempt.import_id, "part": attempt.part, "attempt": attempt.id}
        values = {**ids, **counts.to_json()}
        values |= {name: Jsonb(values[name]) for name in ("ignored", "skipped", "warnings")}
        with (
            translate_part_errors(),
            translate_psycopg_errors(),
            self._connection.cursor(row_factory=scalar_row) as cursor,
        ):
            end: Any = cursor.execute(_FINISH_PART, values).fetchone()
            self._connection.commit()
        return PartEnd.from_json(end)

    def _check_cancelled(self) -> None:
        """Read the import's state as of now: the transaction's isolation is read committed."""
        with (
            translate_psycopg_errors(),
            self._connection.cursor(row_factory=scalar_row) as cursor,
        ):
            state = cursor.execute(_READ_IMPORT_STATE, [self._work.import_id]).fetchone()
        if state == ImportState.CANCELLING:
            raise ImportCancelledError(f"import {self._work.import_id} is being cancelled")

    def _copy(self, batch: Batch) -> None:
        rows = encode_copy_rows(batch, self._work.contact_prefix, self._work.source)
        with (
            translate_size_errors(),
            translate_psycopg_errors(),
            self._connection.transaction(),  # a savepoint
            self._connection.cursor() as cursor,
            cursor.copy(_COPY_CONTACTS) as copy,
        ):
            copy.write(rows)

    def _write_by_row(self, batch: Batch) -> list[RejectedRecord]:
        text = encode_batch(batch, self._work, row_errors=ROW_ERRORS).decode()
        with (
            translate_size_errors(),
            translate_psycopg_errors(),
            self._connection.transaction(),
            self._connection.cursor(row_factory=scalar_row) as cursor,
        ):
            result: Any = cursor.execute(_WRITE_BY_ROW, [text]).fetchone()
        return rejected_records(result)


@contextmanager
def translate_psycopg_errors() -> Iterator[None]:
    """Raise UpstreamError in place of psycopg's errors; it shows no address and no password."""
    try:
        yield
    except psycopg.Error as error:
        # Without an SQLSTATE the connection is lost, or none could be made.
        code = error.sqlstate or "08006"
        message = error.diag.message_primary or f"cannot be reached ({type(error).__name__})"
        raise error_from_code(DATABASE, code, message) from error
