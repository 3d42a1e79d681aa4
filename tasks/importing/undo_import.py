"""The story of an undo: the contacts and rejections go, then the objects, then it is recorded.

A few thousand contacts at a time, each time in a transaction of its own: so no statement takes
long, nobody waits for it, and wherever it breaks off, the same message goes on from there.
"""

import threading
from collections.abc import Sequence
from typing import Final, Protocol
from uuid import UUID

import structlog

from core.errors import BatchTooLargeError, PermanentError, UpstreamError
from core.rejection_objects import rejections_folder
from core.supabase.errors import DATABASE
from tasks.errors import RetryLaterError, WorkerStoppingError

log = structlog.stdlib.get_logger(__name__)

MOST: Final = 20_000
"""Contacts that are removed at a time, if that can be done within the time of a statement."""
_REFUSED: Final = "undo_refused"
_REFERENCED: Final = "23503"
"""SQLSTATE of a foreign key that refuses a row's removal."""


class Repository(Protocol):
    """What is left to undo, and how it ended; all raise UpstreamError."""

    def object_to_undo(self, import_id: UUID) -> str | None:
        """The name of the object; None unless the import is being undone."""
        ...

    def undo_some(self, import_id: UUID, contacts: int) -> bool:
        """Remove so many contacts at most; False when nothing was left. Raises BatchTooLargeError."""
        ...

    def finish_undo(self, import_id: UUID) -> None:
        """Record that nothing is left."""
        ...

    def fail_undo(self, import_id: UUID, code: str, detail: str) -> None:
        """Record that it cannot go on."""
        ...


class Objects(Protocol):
    """The stored objects; all raise UpstreamError."""

    def remove(self, names: Sequence[str]) -> None:
        """Remove objects; it is no error if one is gone already."""
        ...

    def remove_folder(self, folder: str) -> int:
        """Remove all objects in a folder; returns how many there were."""
        ...


class Metrics(Protocol):
    """What is counted of undos."""

    def import_undone(self) -> None:
        """All of an import is gone."""
        ...

    def undo_failed(self) -> None:
        """An undo was refused."""
        ...


class UndoImport:
    """Undoes imports; usable by all threads of a process at once."""

    def __init__(
        self,
        repository: Repository,
        bucket: Objects,
        metrics: Metrics,
        *,
        stopping: threading.Event,
    ) -> None:
        """``stopping`` has an undo end before its next step."""
        self._repository = repository
        self._bucket = bucket
        self._metrics = metrics
        self._stopping = stopping

    def __call__(self, import_id: UUID) -> None:
        """Remove all of an import that is being undone.

        Raises RetryLaterError if it has to go on later, WorkerStoppingError if not here.
        """
        try:
            try:
                self._undo(import_id)
            except PermanentError as error:
                self._fail(import_id, error)
        except UpstreamError as error:
            log.warning(
                "undo put off", upstream=error.upstream, reason=error.detail, code=error.code
            )
            raise RetryLaterError.since(error, "something the undo needs is away") from None

    def _undo(self, import_id: UUID) -> None:
        if self._repository.object_to_undo(import_id) is None:
            log.info("nothing to do: the import is not being undone")
            return
        self._remove_contacts(import_id)
        # Another worker may have ended it meanwhile.
        name = self._repository.object_to_undo(import_id)
        if name is None:
            return
        self._bucket.remove_folder(rejections_folder(import_id))
        self._bucket.remove([name])
        self._repository.finish_undo(import_id)
        self._metrics.import_undone()
        log.info("import undone")

    def _remove_contacts(self, import_id: UUID) -> None:
        most, left = MOST, True
        while left:
            if self._stopping.is_set():
                raise WorkerStoppingError
            try:
                left = self._repository.undo_some(import_id, most)
            except BatchTooLargeError:
                if most == 1:
                    raise RetryLaterError("one contact takes too long to remove") from None
                most //= 2

    def _fail(self, import_id: UUID, error: PermanentError) -> None:
        log.error("undo refused", upstream=error.upstream, code=error.code, reason=error.detail)
        self._repository.fail_undo(import_id, *_failure(error))
        self._metrics.undo_failed()


def _failure(error: PermanentError) -> tuple[str, str]:
    """Code and words for clients: of the database's own words only the SQLSTATE."""
    if error.upstream != DATABASE:
        return _REFUSED, f"Storage refused to remove the stored files ({error.code})."
    if error.code == _REFERENCED:
        return _REFUSED, (
            f"Other rows in the database refer to contacts of this import (SQLSTATE {error.code})."
        )
    return _REFUSED, f"The database refused to remove contacts (SQLSTATE {error.code})."
