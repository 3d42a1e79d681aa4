"""Contacts and rejections into their tables, through PostgREST.

Every write may be repeated: ids are computed from the record's number, and what is there is left
alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import httpx
from postgrest.exceptions import APIError, generate_default_error_message
from supabase import Client

from config.errors import IllegalMove, ImporterError, Permanent
from config.retrying import retrying
from config.upstream import DATABASE, told_in, translated
from tasks.errors import Cancelled
from tasks.ledger import PartEnd, WorkerLedger
from tasks.model import Batch, PartWork, Refusal, Rejection, Tally
from tasks.writing.bisecting import BAD_DATA, TooMuch, too_much_told, write_bisecting
from tasks.writing.encoding import as_fields
from tasks.writing.rejections import as_row

Row = dict[str, Any]

_REJECTIONS_A_REQUEST: Final = 250
_MOVED_ON: Final[dict[str, type[ImporterError]]] = {"CI001": IllegalMove, "CI002": Cancelled}
"""By SQLSTATE: the part has ended, or its import is being cancelled, so nothing more is written."""
_TEXT: Final = {"Content-Type": "text/plain; charset=utf-8"}


class Tables:
    """The tables that a worker writes to; usable by all threads at once.

    Writes are tried again for ``deadline`` seconds and raise UpstreamError after that. They raise
    IllegalMove if the part is in another's hands, and Cancelled if its import is being cancelled.
    """

    def __init__(self, supabase: Client, *, deadline: float) -> None:
        self._supabase = supabase
        self._deadline = deadline

    def write_contacts(self, text: bytes) -> Any:  # noqa: ANN401 -- as JSON has it
        """Store a batch as ``as_fields`` makes it, and tell how the part ended, if it did.

        Raises TooMuch if the batch has to become smaller.
        """
        return self._write(self._post, text)

    def write_rejections(self, work: PartWork, rows: list[Row]) -> None:
        """Store rejections of a part."""
        self._write(self._reject, work, rows)

    def _write(self, send: Callable[..., Any], *content: Any) -> Any:  # noqa: ANN401
        try:
            return retrying(self._deadline)(send, *content)
        except Permanent as error:
            if error.code in _MOVED_ON:
                raise _MOVED_ON[error.code](error.detail) from None
            raise

    def _post(self, text: bytes) -> Any:  # noqa: ANN401
        """As text, which supabase-py cannot send."""
        rest = self._supabase.postgrest
        url = str(rest.base_url.joinpath("rpc", "write_contacts"))
        with too_much_told(), translated(DATABASE):
            answer = rest.session.post(url, content=text, headers={**rest.headers, **_TEXT})
            if answer.is_error:
                raise APIError(_told(answer))
            return answer.json()

    def _reject(self, work: PartWork, rows: list[Row]) -> None:
        part = {"p_import": str(work.import_id), "p_part": work.part.part}
        with translated(DATABASE):
            self._supabase.rpc("write_rejections", {**part, "p_rows": rows}).execute()


def _told(answer: httpx.Response) -> dict[str, Any]:
    told = told_in(answer.content)
    return generate_default_error_message(answer) if told is None else told


class PostgrestDesk:
    """Takes what comes of one part; see carrying.Desk."""

    def __init__(
        self, tables: Tables, ledger: WorkerLedger, work: PartWork, *, batch_records: int
    ) -> None:
        self.batch_records = batch_records
        self._tables = tables
        self._ledger = ledger
        self._work = work

    def write(self, batch: Batch) -> list[Refusal]:
        """See carrying.Desk."""
        refused: list[Refusal] = []
        for start in range(0, len(batch), self.batch_records):
            some = batch.between(start, start + self.batch_records)
            refused += write_bisecting(some, self._send)
        return refused

    def reject(self, rejections: Sequence[Rejection]) -> None:
        """See carrying.Desk."""
        for start in range(0, len(rejections), _REJECTIONS_A_REQUEST):
            some = rejections[start : start + _REJECTIONS_A_REQUEST]
            rows = [as_row(self._work, one) for one in some]
            self._tables.write_rejections(self._work, rows)

    def write_last(self, batch: Batch, tally: Tally) -> PartEnd | None:
        """See carrying.Desk."""
        if len(batch) > self.batch_records:
            return None
        try:
            return PartEnd.from_json(self._write_last(batch, tally))
        except TooMuch:
            return None
        except Permanent as error:
            if error.code.startswith(BAD_DATA):  # or the part is in another's hands
                return None
            raise

    def finish(self, tally: Tally) -> PartEnd:
        """See carrying.Desk."""
        return self._ledger.finish_part(self._work, tally)

    def _write_last(self, batch: Batch, tally: Tally) -> Any:  # noqa: ANN401
        text = as_fields(batch, self._work, finish=tally.to_json())
        return self._tables.write_contacts(text)

    def _send(self, batch: Batch) -> None:
        self._tables.write_contacts(as_fields(batch, self._work))
