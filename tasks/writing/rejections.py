"""Keeps the rejections of a part: the first ones in a table, the others as objects in Storage.

A file in which no record is valid thus costs the database little, and no rejection is lost. In the
order of records, the rejections in the table come before those in objects.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from core.rejection_objects import (
    CONTENT_TYPE,
    Rejection,
    RejectionWriter,
    object_name,
    part_prefix,
    rejections_folder,
)
from core.supabase.storage_blocking import StorageClient
from tasks.importing.models import Attempt, PartWork, RejectionObject
from tasks.writing.base import ContactWriter

MAX_ROWS: Final = 1000
"""Rejections of a part that are kept in the table."""
_OBJECT_BYTES: Final = 4 * 1024 * 1024
"""Size of an object before compression: a page of rejections is read from one of these."""


class PartRejections:
    """Takes the rejections of one attempt, in the order of their records; raises UpstreamError."""

    def __init__(self, work: PartWork, writer: ContactWriter, storage: StorageClient) -> None:
        """Remove the objects of earlier attempts at the part: nothing refers to them any more."""
        self._attempt: Attempt = work.attempt
        self._writer = writer
        self._storage = storage
        self._folder = rejections_folder(work.import_id)
        self._free_rows = MAX_ROWS
        self._encoder: RejectionWriter | None = None
        self._codes: Counter[str] = Counter()
        self._first_record = self._last_record = 0
        if work.rerun:
            names = storage.names_in(self._folder, prefix=part_prefix(work.part.part))
            own_id = str(work.attempt.id)
            if others := [f"{self._folder}/{name}" for name in names if own_id not in name]:
                storage.remove(others)

    def add(self, rejections: Sequence[Rejection]) -> None:
        """Store some rejections; those of the last object wait for ``flush``."""
        rows, others = rejections[: self._free_rows], rejections[self._free_rows :]
        if rows:
            self._free_rows -= len(rows)
            self._writer.reject(rows)
        if not others:
            return
        if self._encoder is None:
            self._encoder = RejectionWriter()
            self._codes.clear()
            self._first_record = others[0].record
        self._encoder.add(others)
        self._codes.update([rejection.code for rejection in others])
        self._last_record = others[-1].record
        if self._encoder.size >= _OBJECT_BYTES:
            self.flush()

    def flush(self) -> None:
        """Store the object that is being filled, if there is one."""
        encoder, self._encoder = self._encoder, None
        if encoder is None:
            return
        name = object_name(self._attempt.part, self._first_record, self._attempt.id)
        stored = RejectionObject(
            f"{self._folder}/{name}", self._first_record, self._last_record, dict(self._codes)
        )
        self._storage.put(stored.object, encoder.close(), CONTENT_TYPE)
        self._writer.add_rejection_object(stored)


def rejection_row(attempt: Attempt, rejection: Rejection) -> dict[str, Any]:
    """The columns of the table ``import_rejections``."""
    return {
        "import_id": str(attempt.import_id),
        "record": rejection.record,
        "part": attempt.part,
        "code": rejection.code,
        "message": rejection.message,
        "content": rejection.content,
    }
