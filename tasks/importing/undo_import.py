"""The undo of an import: removes its contacts and rejections, then its objects.

Contacts are removed some thousands at a time, in a transaction each: so no statement takes long or
blocks others for long, and an interrupted undo continues where it was.
"""

import threading
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from config.tracing import NO_TRACES, OUTCOME, Traces
from core.errors import BatchTooLargeError, PermanentError, UpstreamError
from core.rejection_objects import rejections_folder
from core.supabase.errors import DATABASE
from core.supabase.storage_blocking import StorageClient
from tasks.errors import RetryLaterError, WorkerStoppingError
from tasks.repository import Repository

if TYPE_CHECKING:
    from tasks.metrics import Metrics

log = structlog.stdlib.get_logger(__name__)

MAX_CONTACTS: Final = 20_000
"""Contacts that are removed in one statement, unless that takes too long."""
_FOREIGN_KEY_VIOLATION: Final = "23503"


class UndoImport:
    """Undoes imports; shared by all threads of a process."""

    def __init__(
        self,
        repository: Repository,
        storage: StorageClient,
        metrics: "Metrics",
        *,
        stopping: threading.Event,
        traces: Traces = NO_TRACES,
    ) -> None:
        """Once ``stopping`` is set, an undo ends before its next statement."""
        self._repository = repository
        self._storage = storage
        self._metrics = metrics
        self._stopping = stopping
        self._traces = traces

    def __call__(self, import_id: UUID) -> None:
        """Remove everything of an import that is being undone.

        Raises RetryLaterError if it has to continue later, and WorkerStoppingError if another
        worker has to do that.
        """
        try:
            try:
                self._undo(import_id)
            except PermanentError as error:
                log.error(  # noqa: TRY400 -- foreseen, so without a traceback
                    "undo failed", upstream=error.upstream, code=error.code, reason=error.detail
                )
                self._repository.fail_undo(import_id, "undo_refused", _reason(error))
                self._metrics.undo_failed()
                self._traces.annotate({OUTCOME: "failed"})
                self._traces.fail(error.code)
        except UpstreamError as error:
            log.warning(
                "undo postponed", upstream=error.upstream, reason=error.detail, code=error.code
            )
            raise RetryLaterError.because_of(
                error, "Storage or the database is unavailable"
            ) from None

    def _undo(self, import_id: UUID) -> None:
        if self._repository.object_to_undo(import_id) is None:
            log.info("import is not being undone")
            return
        self._remove_contacts(import_id)
        # Asked again: another worker may have finished the undo meanwhile.
        name = self._repository.object_to_undo(import_id)
        if name is None:
            return
        self._storage.remove_folder(rejections_folder(import_id))
        self._storage.remove([name])
        self._repository.finish_undo(import_id)
        self._metrics.import_undone()
        self._traces.annotate({OUTCOME: "done"})
        log.info("import undone")

    def _remove_contacts(self, import_id: UUID) -> None:
        """Remove all contacts and rejections, in smaller steps where a step takes too long."""
        max_contacts, any_left = MAX_CONTACTS, True
        while any_left:
            if self._stopping.is_set():
                raise WorkerStoppingError
            try:
                any_left = self._repository.undo_some(import_id, max_contacts)
            except BatchTooLargeError:
                if max_contacts == 1:
                    raise RetryLaterError("one contact takes too long to remove") from None
                max_contacts //= 2


def _reason(error: PermanentError) -> str:
    """Why the undo cannot continue, for clients: of the database's words only the SQLSTATE."""
    if error.upstream != DATABASE:
        return f"Storage rejected the removal of the stored files ({error.code})."
    if error.code == _FOREIGN_KEY_VIOLATION:
        return (
            f"Other rows in the database refer to contacts of this import (SQLSTATE {error.code})."
        )
    return f"The database rejected the removal of contacts (SQLSTATE {error.code})."
