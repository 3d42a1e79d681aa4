"""An erasure: removes the contacts and the rejections that have an e-mail address.

All contacts and rejections are searched, some thousands in a transaction each, so that no statement
takes long or blocks others for long; an interrupted erasure continues where it was.
"""

import threading
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from core.errors import BatchTooLargeError, PermanentError, UpstreamError
from core.rejection_objects import CONTENT_TYPE, RejectionReader, RejectionWriter
from core.supabase.errors import DATABASE, STORAGE
from core.supabase.storage_blocking import StorageClient
from tasks.erasures.email_search import EmailSearch
from tasks.erasures.repository import ErasureRepository
from tasks.errors import RetryLaterError, WorkerStoppingError
from tasks.maintenance.retention import RetentionSweep

if TYPE_CHECKING:
    from tasks.metrics import Metrics

log = structlog.stdlib.get_logger(__name__)

MAX_CONTACTS: Final = 50_000
"""Contacts that are searched in one statement, unless that takes too long."""
_FOREIGN_KEY_VIOLATION: Final = "23503"


class EraseAddress:
    """Does erasures; shared by all threads of a process."""

    def __init__(
        self,
        repository: ErasureRepository,
        storage: StorageClient,
        retention: RetentionSweep,
        metrics: "Metrics",
        *,
        stopping: threading.Event,
    ) -> None:
        """Once ``stopping`` is set, an erasure ends before its next statement."""
        self._repository = repository
        self._storage = storage
        self._retention = retention
        self._metrics = metrics
        self._stopping = stopping

    def __call__(self, erasure_id: UUID) -> None:
        """Remove everything about the address of an erasure.

        Raises RetryLaterError if it has to continue later, and WorkerStoppingError if another
        worker has to do that.
        """
        try:
            try:
                self._erase(erasure_id)
            except PermanentError as error:
                # The reason is not logged: the database may quote a row in it.
                log.error(  # noqa: TRY400 -- foreseen, so without a traceback
                    "erasure failed", upstream=error.upstream, code=error.code
                )
                self._repository.fail(erasure_id, "erasure_refused", _reason(error))
                self._metrics.erasure_ended("failed")
        except UpstreamError as error:
            log.warning("erasure postponed", upstream=error.upstream, code=error.code)
            raise RetryLaterError.because_of(
                error, "Storage or the database is unavailable"
            ) from None

    def _erase(self, erasure_id: UUID) -> None:
        address = self._repository.address(erasure_id)
        if address is None:
            log.info("erasure has ended")
            return
        search = EmailSearch(address)
        self._erase_contacts(erasure_id)
        self._erase_rejections(erasure_id, search)
        self._erase_stored_rejections(erasure_id, search)
        self._repository.expire_objects(erasure_id)
        self._retention.remove_objects()
        self._repository.finish(erasure_id)
        self._metrics.erasure_ended("done")
        log.info("erasure completed")

    def _erase_contacts(self, erasure_id: UUID) -> None:
        """Search all contacts, in smaller steps where a step takes too long."""
        max_contacts, any_left = MAX_CONTACTS, True
        while any_left:
            self._check_stopping()
            try:
                any_left = self._repository.erase_contacts(erasure_id, max_contacts)
            except BatchTooLargeError:
                if max_contacts == 1:
                    raise RetryLaterError("one contact takes too long to remove") from None
                max_contacts //= 2

    def _erase_rejections(self, erasure_id: UUID, search: EmailSearch) -> None:
        """Search all rejections in the table."""
        while page := self._repository.next_rejections(erasure_id):
            self._check_stopping()
            places = [each.place for each in page.rejections if search.is_in(each.text)]
            self._repository.erase_rejections(erasure_id, page.until, places)

    def _erase_stored_rejections(self, erasure_id: UUID, search: EmailSearch) -> None:
        """Search all objects with rejections, and replace those that have the address."""
        while found := self._repository.next_objects(erasure_id):
            for each in found:
                self._check_stopping()
                erased = self._erase_in_object(each.object, search)
                is_used = self._repository.note_searched_object(erasure_id, each.place, erased)
                if erased and not is_used:  # it was removed meanwhile, and is there again
                    self._storage.remove([each.object])

    def _erase_in_object(self, name: str, search: EmailSearch) -> int:
        """Replace an object by one without the rejections that have the address.

        Returns how many there were.
        """
        content = self._storage.get(name)
        if content is None:
            return 0
        reader, writer, erased = RejectionReader(), RejectionWriter(), 0
        try:
            for batch in reader.feed(content):
                kept = [
                    each for each in batch if not search.is_in(f"{each.content}\n{each.message}")
                ]
                erased += len(batch) - len(kept)
                writer.add(kept)
            reader.close()
        except ValueError as error:
            raise PermanentError(STORAGE, str(error), code="object_damaged") from error
        if erased:
            self._storage.put(name, writer.close(), CONTENT_TYPE)
        return erased

    def _check_stopping(self) -> None:
        if self._stopping.is_set():
            raise WorkerStoppingError


def _reason(error: PermanentError) -> str:
    """Why the erasure cannot continue, for clients: of the database's words only the SQLSTATE."""
    if error.upstream != DATABASE:
        return f"Storage does not do what is needed ({error.code}). Tell the operator."
    if error.code == _FOREIGN_KEY_VIOLATION:
        return (
            f"Other rows in the database refer to contacts with this address (SQLSTATE "
            f"{error.code}). Remove them, then erase the address again."
        )
    return f"The database rejected a removal (SQLSTATE {error.code}). Tell the operator."
