"""Contacts and rejections into their tables, through PostgREST.

Every write may be repeated: ids are computed from the record's number, and what is there is left
alone.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

import httpx
from postgrest.exceptions import APIError, generate_default_error_message
from supabase import Client

from core.errors import BatchTooLargeError, PermanentError
from core.rejection_objects import Rejection
from core.supabase.errors import (
    DATABASE,
    parse_json_object,
    translate_errors,
    translate_size_errors,
)
from core.supabase.retry import retrying
from tasks.errors import write_errors_translated
from tasks.importing.models import Attempt, Batch, PartCounts, PartWork, RejectedRecord
from tasks.repository import PartEnd, Repository
from tasks.writing.bisecting import BAD_DATA, refusals_of, write_bisecting
from tasks.writing.rejections import RejectionObject, as_row
from tasks.writing.row_encoding import as_fields

Row = dict[str, Any]

_REJECTIONS_A_REQUEST: Final = 250
_TEXT: Final = {"Content-Type": "text/plain; charset=utf-8"}


class Tables:
    """The tables that a worker writes to; usable by all threads at once.

    Writes are tried again for ``deadline`` seconds and raise UpstreamError after that. They raise
    InvalidTransitionError if the part has ended or belongs to another attempt, and ImportCancelledError if its import is
    being cancelled.
    """

    def __init__(
        self, supabase: Client, *, deadline: float, stopping: threading.Event | None = None
    ) -> None:
        """``stopping`` cuts the deadline short, once it is set."""
        self._supabase = supabase
        self._deadline = deadline
        self._stopping = stopping

    def write_contacts(self, text: bytes) -> Any:  # noqa: ANN401 -- as JSON has it
        """Store a batch as ``as_fields`` makes it, and tell how the part ended, if it did.

        Raises BatchTooLargeError if the batch has to become smaller.
        """
        return self._write(self._post, "write_contacts", text)

    def write_apart(self, text: bytes) -> dict[str, Any]:
        """Store a batch row by row; returns what is refused. Raises BatchTooLargeError likewise."""
        found: dict[str, Any] = self._write(self._post, "write_apart", text)
        return found

    def write_rejections(self, attempt: Attempt, rows: list[Row]) -> None:
        """Store rejections of a part."""
        self._write(self._call, "write_rejections", attempt, {"p_rows": rows})

    def add_rejection_object(self, attempt: Attempt, stored: RejectionObject) -> None:
        """Note an object with rejections of a part."""
        self._write(self._call, "add_rejection_object", attempt, {"p_object": asdict(stored)})

    def _write(self, send: Callable[..., Any], *content: Any) -> Any:  # noqa: ANN401
        with write_errors_translated():
            return retrying(self._deadline, self._stopping)(send, *content)

    def _post(self, function: str, text: bytes) -> Any:  # noqa: ANN401
        """As text, which supabase-py cannot send."""
        rest = self._supabase.postgrest
        url = str(rest.base_url.joinpath("rpc", function))
        with translate_size_errors(), translate_errors(DATABASE):
            answer = rest.session.post(url, content=text, headers={**rest.headers, **_TEXT})
            if answer.is_error:
                raise APIError(_told(answer))
            return answer.json()

    def _call(self, function: str, attempt: Attempt, arguments: dict[str, Any]) -> None:
        ids = {
            "p_import": str(attempt.import_id),
            "p_part": attempt.part,
            "p_attempt": str(attempt.id),
        }
        with translate_errors(DATABASE):
            self._supabase.rpc(function, {**ids, **arguments}).execute()


def _told(answer: httpx.Response) -> dict[str, Any]:
    told = parse_json_object(answer.content)
    return generate_default_error_message(answer) if told is None else told


class PostgrestWriter:
    """Takes what comes of one part; see carrying.ContactWriter."""

    def __init__(
        self, tables: Tables, repository: Repository, work: PartWork, *, batch_records: int
    ) -> None:
        self.batch_records = batch_records
        self._tables = tables
        self._repository = repository
        self._work = work

    def write(self, batch: Batch) -> list[RejectedRecord]:
        """See carrying.ContactWriter."""
        refused: list[RejectedRecord] = []
        for start in range(0, len(batch), self.batch_records):
            some = batch.between(start, start + self.batch_records)
            refused += write_bisecting(some, self._send, self._send_apart)
        return refused

    def reject(self, rejections: Sequence[Rejection]) -> None:
        """See carrying.ContactWriter."""
        for start in range(0, len(rejections), _REJECTIONS_A_REQUEST):
            some = rejections[start : start + _REJECTIONS_A_REQUEST]
            rows = [as_row(self._work.attempt, one) for one in some]
            self._tables.write_rejections(self._work.attempt, rows)

    def reject_stored(self, stored: RejectionObject) -> None:
        """See carrying.ContactWriter."""
        self._tables.add_rejection_object(self._work.attempt, stored)

    def contacts_among(self, records: list[int]) -> set[int]:
        """See carrying.ContactWriter."""
        return self._repository.contacts_among(self._work.import_id, records)

    def write_last(self, batch: Batch, counts: PartCounts) -> PartEnd | None:
        """See carrying.ContactWriter."""
        if len(batch) > self.batch_records:
            return None
        try:
            return PartEnd.from_json(self._write_last(batch, counts))
        except BatchTooLargeError:
            return None
        except PermanentError as error:
            if error.code.startswith(BAD_DATA):  # or the part is in another's hands
                return None
            raise

    def finish(self, counts: PartCounts) -> PartEnd:
        """See carrying.ContactWriter."""
        return self._repository.finish_part(self._work.attempt, counts)

    def _write_last(self, batch: Batch, counts: PartCounts) -> Any:  # noqa: ANN401
        text = as_fields(batch, self._work, finish=counts.to_json())
        return self._tables.write_contacts(text)

    def _send(self, batch: Batch) -> None:
        self._tables.write_contacts(as_fields(batch, self._work))

    def _send_apart(self, batch: Batch) -> list[RejectedRecord]:
        text = as_fields(batch, self._work, row_errors=BAD_DATA)
        return refusals_of(self._tables.write_apart(text))
