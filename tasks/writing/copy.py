"""Contacts and rejections into their tables by COPY, over a connection of its own to Postgres.

A part is one transaction: its contacts, its rejections and its end come to be in the same moment,
or not at all. Whoever runs the part holds a lock on it, so a second run of it waits, and then finds
it done. What an earlier run had written in another way (through PostgREST) is replaced.
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
from core.ids import contact_id_prefix
from core.rejection_objects import Rejection
from core.states import ImportState
from core.supabase.errors import DATABASE, error_from_code, translate_size_errors
from tasks.errors import ImportCancelledError, StaleAttemptError, part_transitions_translated
from tasks.importing.models import Batch, PartCounts, PartWork, RejectedRecord
from tasks.queue.connections import NOTICE_LOSS, libpq_arguments
from tasks.repository import PartEnd
from tasks.writing.bisecting import BAD_DATA, refusals_of, write_bisecting
from tasks.writing.rejections import RejectionObject, as_row
from tasks.writing.row_encoding import as_copy_rows, as_fields

Connection = psycopg.Connection[tuple[Any, ...]]

_MAX_CONNECTIONS: Final = 64
"""More than a process has threads: each uses one at most."""
# Two keys: dramatiq-pg uses one.
_LOCK: Final = "select pg_advisory_xact_lock(hashtext('part'), hashtext(%s))"
_PART: Final = "select state, attempt from public.import_parts where import_id = %s and part = %s"
_IMPORT_STATE: Final = "select state from public.imports where id = %s"
_CLEAR_CONTACTS: Final = "delete from public.contacts where id between %s and %s"
_COPY: Final = "copy public.contacts (id, name, email, source) from stdin with (null '')"
_REJECT: Final = """
    insert into public.import_rejections (import_id, record, part, code, message, content)
    values (%(import_id)s, %(record)s, %(part)s, %(code)s, %(message)s, %(content)s)
"""
_REJECT_STORED: Final = """
    insert into public.import_rejection_objects
      (import_id, part, first_record, last_record, codes, object)
    values (%s, %s, %s, %s, %s, %s)
"""
_WRITE_APART: Final = "select public.insert_apart(%s)"
_FINISH: Final = """
    select public.finish_part(
      %(import)s, %(part)s, %(attempt)s, %(imported)s, %(rejected)s, %(ignored)s)
"""


def connection_pool(settings: Settings) -> ConnectionPool[Connection]:
    """Connections for the threads of a worker process, made when they are needed.

    Waiting for one takes no longer than the settings' deadline.
    """
    return ConnectionPool(
        kwargs=libpq_arguments(settings),
        configure=_configure,
        check=ConnectionPool.check_connection,
        min_size=0,
        max_size=_MAX_CONNECTIONS,
        timeout=settings.upstream_deadline,
        open=False,
        name="contacts",
    )


def _configure(connection: Connection) -> None:
    connection.execute(NOTICE_LOSS)
    connection.commit()


@contextmanager
def copy_writer(
    pool: ConnectionPool[Connection], work: PartWork, *, batch_records: int
) -> Iterator["CopyWriter"]:
    """A writer for one run through a part; what is not finished in the end is undone.

    Raises InvalidTransitionError if the part has ended or belongs to another attempt.
    """
    with _translated(), pool.connection() as connection:
        _take_part(connection, work)
        yield CopyWriter(connection, work, batch_records)


def _take_part(connection: Connection, work: PartWork) -> None:
    import_id, part = work.import_id, work.part
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [f"{import_id} {part.part}"])
        state, attempt = cursor.execute(_PART, [import_id, part.part]).fetchone() or (None, None)
        if state != "importing":
            raise InvalidTransitionError(f"the part is {state}")
        if attempt != work.attempt.id:
            raise StaleAttemptError("the part belongs to another attempt")
        # What would be checked at the end of the transaction could not be told apart there.
        cursor.execute("set constraints all immediate")
        if work.rerun:
            first, last = part.first_record, part.first_record + part.records - 1
            prefix = contact_id_prefix(import_id)
            cursor.execute(_CLEAR_CONTACTS, [f"{prefix}{record:09x}" for record in (first, last)])


class CopyWriter:
    """Takes what comes of one part; see carrying.ContactWriter."""

    def __init__(self, connection: Connection, work: PartWork, batch_records: int) -> None:
        self.batch_records = batch_records
        self._connection = connection
        self._work = work
        self._prefix = contact_id_prefix(work.import_id)

    def write(self, batch: Batch) -> list[RejectedRecord]:
        """See carrying.ContactWriter."""
        self._heed_cancelling()
        return write_bisecting(batch, self._copy, self._write_apart)

    def reject(self, rejections: Sequence[Rejection]) -> None:
        """See carrying.ContactWriter."""
        self._heed_cancelling()
        with _translated(), self._connection.cursor() as cursor:
            cursor.executemany(_REJECT, [as_row(self._work.attempt, one) for one in rejections])

    def reject_stored(self, stored: RejectionObject) -> None:
        """See carrying.ContactWriter."""
        values = [
            *(self._work.import_id, self._work.part.part, stored.first_record, stored.last_record),
            *(Jsonb(stored.codes), stored.object),
        ]
        with _translated():
            self._connection.execute(_REJECT_STORED, values)

    def contacts_among(self, records: list[int]) -> set[int]:  # noqa: ARG002
        """See carrying.ContactWriter: what an earlier attempt wrote was removed when this one began."""
        return set()

    def write_last(self, batch: Batch, counts: PartCounts) -> None:
        """See carrying.ContactWriter: nothing would be saved."""

    def finish(self, counts: PartCounts) -> PartEnd:
        """See carrying.ContactWriter."""
        attempt = self._work.attempt
        ids = {"import": attempt.import_id, "part": attempt.part, "attempt": attempt.id}
        values = {**ids, **counts.to_json()}
        values["ignored"] = Jsonb(values["ignored"])
        with (
            part_transitions_translated(),
            _translated(),
            self._connection.cursor(row_factory=scalar_row) as cursor,
        ):
            end: Any = cursor.execute(_FINISH, values).fetchone()
            self._connection.commit()
        return PartEnd.from_json(end)

    def _heed_cancelling(self) -> None:
        """Each statement sees what was committed before it."""
        with _translated(), self._connection.cursor(row_factory=scalar_row) as cursor:
            state = cursor.execute(_IMPORT_STATE, [self._work.import_id]).fetchone()
        if state == ImportState.CANCELLING:
            raise ImportCancelledError(f"import {self._work.import_id} is being cancelled")

    def _copy(self, batch: Batch) -> None:
        rows = as_copy_rows(batch, self._prefix, self._work.source)
        with (
            translate_size_errors(),
            _translated(),
            self._connection.transaction(),  # a savepoint
            self._connection.cursor() as cursor,
            cursor.copy(_COPY) as copy,
        ):
            copy.write(rows)

    def _write_apart(self, batch: Batch) -> list[RejectedRecord]:
        text = as_fields(batch, self._work, row_errors=BAD_DATA).decode()
        with (
            translate_size_errors(),
            _translated(),
            self._connection.transaction(),
            self._connection.cursor(row_factory=scalar_row) as cursor,
        ):
            found: Any = cursor.execute(_WRITE_APART, [text]).fetchone()
        return refusals_of(found)


@contextmanager
def _translated() -> Iterator[None]:
    """Raise UpstreamError in place of what psycopg raises."""
    try:
        yield
    except psycopg.Error as error:
        # No SQLSTATE: the connection is lost, or there was none to be had.
        code = error.sqlstate or "08006"
        raise error_from_code(DATABASE, code, _message(error)) from error


def _message(error: psycopg.Error) -> str:
    return error.diag.message_primary or f"cannot be reached ({type(error).__name__})"
