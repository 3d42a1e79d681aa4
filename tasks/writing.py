"""Contacts and rejections into their tables, through PostgREST.

Every write may be repeated: ids are computed from the record's number, and what is there is left
alone. One bad row makes Postgres refuse a whole request without saying which; then the request is
halved until that row stands alone.

Errors that tell of bad data (SQLSTATE): class 22 (a value), 23 (a constraint), 44 (a view's check),
P0 (raised by a trigger), 54000 (too large for an index), and PT4xx (a trigger that speaks HTTP).
A request that is too much at a time (57014, a statement timeout; 413) is halved as well. All the
rest (keys, missing tables and columns, permissions) is about the request: no row is to blame.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import structlog
from supabase import Client

from config.errors import ImporterError, Permanent, Transient, UpstreamError
from config.ids import contact_id_prefix
from config.retrying import retrying
from config.upstream import DATABASE, translated
from tasks.model import Contact, PartWork, Refusal, Rejection
from tasks.reasons import refused_by_database

log = structlog.stdlib.get_logger(__name__)

Row = dict[str, Any]

_BAD_DATA: Final = ("22", "23", "44", "P0", "54000", "PT4")
_TOO_MUCH: Final = frozenset({"57014", "413"})
_REJECTIONS_A_REQUEST: Final = 250


class _TooMuch(ImporterError):  # noqa: N818
    """The request has to become smaller."""


class PostgrestWriter:
    """Writes the contacts of one part."""

    def __init__(
        self, supabase: Client, work: PartWork, *, batch_records: int, deadline: float
    ) -> None:
        """``batch_records`` bounds a request; ``deadline`` is in seconds, for each request."""
        self._supabase = supabase
        self._source = work.source
        self._prefix = contact_id_prefix(work.import_id)
        self._batch_records = batch_records
        self._deadline = deadline

    def write(self, contacts: Sequence[Contact]) -> list[Refusal]:
        """Store contacts; returns those that the database refuses. Raises UpstreamError."""
        refused = []
        for start in range(0, len(contacts), self._batch_records):
            refused += self._write(contacts[start : start + self._batch_records])
        return refused

    def _write(self, contacts: Sequence[Contact]) -> list[Refusal]:
        try:
            retrying(self._deadline)(self._send, [self._row(contact) for contact in contacts])
        except Permanent as error:
            if not error.code.startswith(_BAD_DATA):
                raise
            if len(contacts) == 1:
                return [_refusal(contacts[0], error)]
        except _TooMuch:
            if len(contacts) == 1:
                raise Transient(DATABASE, "took too long for one row", code="57014") from None
        else:
            return []
        half = len(contacts) // 2
        return self._write(contacts[:half]) + self._write(contacts[half:])

    def _row(self, contact: Contact) -> Row:
        return {
            "id": f"{self._prefix}{contact.record:09x}",
            "name": contact.name,
            "email": contact.email,
            "source": self._source,
        }

    def _send(self, rows: list[Row]) -> None:
        try:
            _upsert(self._supabase, "contacts", rows, "id")
        except UpstreamError as error:
            if error.code in _TOO_MUCH:
                raise _TooMuch from error
            raise


class PostgrestRejections:
    """Writes the rejections of one part."""

    def __init__(self, supabase: Client, work: PartWork, *, deadline: float) -> None:
        self._supabase = supabase
        self._import_id: UUID = work.import_id
        self._part = work.part.part
        self._deadline = deadline

    def write(self, rejections: Sequence[Rejection]) -> None:
        """Store rejections; raises UpstreamError."""
        for start in range(0, len(rejections), _REJECTIONS_A_REQUEST):
            rows = [self._row(one) for one in rejections[start : start + _REJECTIONS_A_REQUEST]]
            retrying(self._deadline)(
                _upsert, self._supabase, "import_rejections", rows, "import_id,record"
            )

    def _row(self, rejection: Rejection) -> Row:
        return {
            "import_id": str(self._import_id),
            "record": rejection.record,
            "part": self._part,
            "code": rejection.reason.code,
            "message": rejection.reason.message,
            "content": rejection.content,
        }


def _upsert(supabase: Client, table: str, rows: list[Row], key: str) -> None:
    query: Callable[..., Any] = supabase.table(table).upsert
    with translated(DATABASE):
        query(rows, on_conflict=key, ignore_duplicates=True, returning="minimal").execute()


def _refusal(contact: Contact, error: Permanent) -> Refusal:
    log.info("database refused", record=contact.record, code=error.code, reason=error.detail)
    return Refusal(contact.record, refused_by_database(error.code))
