"""Keeps all rejections of a part: the first ones in their table, the others as objects in Storage.

So a file of which nothing is a contact costs the database no more than another one does, and still
none of its rejections is lost. In the order of the records, those of the table come before those of
the objects.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from core.rejection_objects import (
    CONTENT_TYPE,
    Rejection,
    RejectionWriter,
    object_name,
    part_prefix,
    rejections_folder,
)
from tasks.importing.models import Attempt, PartWork

MAX_ROWS: Final = 1000
"""Rejections of a part that the table keeps."""
_OBJECT_BYTES: Final = 4 * 1024 * 1024
"""Size of an object before it is packed: a page of rejections is found in one of these."""


@dataclass(frozen=True, slots=True)
class RejectionObject:
    """A stored object, as the repository notes it."""

    object: str
    """Its name in the bucket."""
    first_record: int
    last_record: int
    codes: dict[str, int]
    """Number of rejections in it by code."""


class RejectionTables(Protocol):
    """Where the rejections of one attempt go to."""

    def reject(self, rejections: Sequence[Rejection]) -> None:
        """Store rejections in the table; raises UpstreamError."""
        ...

    def reject_stored(self, stored: RejectionObject) -> None:
        """Note an object with rejections; raises UpstreamError."""
        ...


class Objects(Protocol):
    """Where the objects go to."""

    def put(self, name: str, content: bytes, content_type: str) -> None:
        """Store an object, in place of one of the same name; raises UpstreamError."""
        ...

    def names_in(self, folder: str, *, prefix: str = "") -> list[str]:
        """Names of all objects in a folder that begin so; raises UpstreamError."""
        ...

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects; it is no error if one is gone already. Raises UpstreamError."""
        ...


class Rejections:
    """Takes the rejections of one attempt, in the order of their records."""

    def __init__(self, work: PartWork, tables: RejectionTables, objects: Objects) -> None:
        self._attempt: Attempt = work.attempt
        self._tables = tables
        self._objects = objects
        self._folder = rejections_folder(work.import_id)
        self._room = MAX_ROWS
        self._writer: RejectionWriter | None = None
        self._codes: Counter[str] = Counter()
        self._first = self._last = 0
        if work.rerun:
            self._remove_others()

    def add(self, rejections: Sequence[Rejection]) -> None:
        """Keep some more; the last of them may wait for ``flush``."""
        rows, others = rejections[: self._room], rejections[self._room :]
        if rows:
            self._room -= len(rows)
            self._tables.reject(rows)
        if others:
            self._pack(others)

    def flush(self) -> None:
        """Store what waits."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        name = object_name(self._attempt.part, self._first, self._attempt.id)
        stored = RejectionObject(
            f"{self._folder}/{name}", self._first, self._last, dict(self._codes)
        )
        self._objects.put(stored.object, writer.close(), CONTENT_TYPE)
        self._tables.reject_stored(stored)

    def _pack(self, rejections: Sequence[Rejection]) -> None:
        if self._writer is None:
            self._writer = RejectionWriter()
            self._codes.clear()
            self._first = rejections[0].record
        self._writer.add(rejections)
        self._codes.update([rejection.code for rejection in rejections])
        self._last = rejections[-1].record
        if self._writer.size >= _OBJECT_BYTES:
            self.flush()

    def _remove_others(self) -> None:
        """Remove what earlier attempts at the part have stored: nothing refers to it any more."""
        prefix = part_prefix(self._attempt.part)
        names = self._objects.names_in(self._folder, prefix=prefix)
        own = str(self._attempt.id)
        if others := [name for name in names if own not in name]:
            self._objects.remove([f"{self._folder}/{name}" for name in others])


def as_row(attempt: Attempt, rejection: Rejection) -> dict[str, Any]:
    """The columns of ``import_rejections``."""
    return {
        "import_id": str(attempt.import_id),
        "record": rejection.record,
        "part": attempt.part,
        "code": rejection.code,
        "message": rejection.message,
        "content": rejection.content,
    }
