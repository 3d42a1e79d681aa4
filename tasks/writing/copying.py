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

from config.errors import IllegalMove
from config.ids import contact_id_prefix
from config.rejection_objects import Rejection
from config.settings import Settings
from config.states import ImportState
from config.upstream import DATABASE, from_code
from tasks.errors import Cancelled, StaleAttemptError, part_moves_refused
from tasks.ledger import PartEnd
from tasks.model import Batch, PartWork, Refusal, Tally
from tasks.pool import NOTICE_LOSS, libpq_arguments
from tasks.writing.bisecting import BAD_DATA, refusals_of, too_much_told, write_bisecting
from tasks.writing.encoding import as_copy_rows, as_fields
from tasks.writing.rejections import RejectionObject, as_row

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
def copy_desk(
    pool: ConnectionPool[Connection], work: PartWork, *, batch_records: int
) -> Iterator["CopyDesk"]:
    """A desk for one run through a part; what is not finished in the end is undone.

    Raises IllegalMove if the part has ended or belongs to another attempt.
    """
    with _translated(), pool.connection() as connection:
        _take_part(connection, work)
        yield CopyDesk(connection, work, batch_records)


def _take_part(connection: Connection, work: PartWork) -> None:
    import_id, part = work.import_id, work.part
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [f"{import_id} {part.part}"])
        state, attempt = cursor.execute(_PART, [import_id, part.part]).fetchone() or (None, None)
        if state != "importing":
            raise IllegalMove(f"the part is {state}")
        if attempt != work.attempt.id:
            raise StaleAttemptError("the part belongs to another attempt")
        # What would be checked at the end of the transaction could not be told apart there.
        cursor.execute("set constraints all immediate")
        if work.rerun:
            first, last = part.first_record, part.first_record + part.records - 1
            prefix = contact_id_prefix(import_id)
            cursor.execute(_CLEAR_CONTACTS, [f"{prefix}{record:09x}" for record in (first, last)])


class CopyDesk:
    """Takes what comes of one part; see carrying.Desk."""

    def __init__(self, connection: Connection, work: PartWork, batch_records: int) -> None:
        self.batch_records = batch_records
        self._connection = connection
        self._work = work
        self._prefix = contact_id_prefix(work.import_id)

    def write(self, batch: Batch) -> list[Refusal]:
        """See carrying.Desk."""
        self._heed_cancelling()
        return write_bisecting(batch, self._copy, self._write_apart)

    def reject(self, rejections: Sequence[Rejection]) -> None:
        """See carrying.Desk."""
        self._heed_cancelling()
        with _translated(), self._connection.cursor() as cursor:
            cursor.executemany(_REJECT, [as_row(self._work.attempt, one) for one in rejections])

    def reject_stored(self, stored: RejectionObject) -> None:
        """See carrying.Desk."""
        values = [
            *(self._work.import_id, self._work.part.part, stored.first_record, stored.last_record),
            *(Jsonb(stored.codes), stored.object),
        ]
        with _translated():
            self._connection.execute(_REJECT_STORED, values)

    def contacts_among(self, records: list[int]) -> set[int]:  # noqa: ARG002
        """See carrying.Desk: what an earlier attempt wrote was removed when this one began."""
        return set()

    def write_last(self, batch: Batch, tally: Tally) -> None:
        """See carrying.Desk: nothing would be saved."""

    def finish(self, tally: Tally) -> PartEnd:
        """See carrying.Desk."""
        counts = tally.to_json()
        attempt = self._work.attempt
        ids = {"import": attempt.import_id, "part": attempt.part, "attempt": attempt.id}
        values = {**ids, **counts}
        values["ignored"] = Jsonb(counts["ignored"])
        with (
            part_moves_refused(),
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
            raise Cancelled(f"import {self._work.import_id} is being cancelled")

    def _copy(self, batch: Batch) -> None:
        rows = as_copy_rows(batch, self._prefix, self._work.source)
        with (
            too_much_told(),
            _translated(),
            self._connection.transaction(),  # a savepoint
            self._connection.cursor() as cursor,
            cursor.copy(_COPY) as copy,
        ):
            copy.write(rows)

    def _write_apart(self, batch: Batch) -> list[Refusal]:
        text = as_fields(batch, self._work, row_errors=BAD_DATA).decode()
        with (
            too_much_told(),
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
        raise from_code(DATABASE, code, _message(error)) from error


def _message(error: psycopg.Error) -> str:
    return error.diag.message_primary or f"cannot be reached ({type(error).__name__})"
