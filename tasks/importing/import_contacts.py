"""The import as a whole: starts it, and queues messages for its parts."""

from uuid import UUID

import structlog

from core.errors import UpstreamError
from tasks.errors import RetryLaterError
from tasks.repository import Repository

log = structlog.stdlib.get_logger(__name__)


class ImportContacts:
    """Starts imports; shared by all threads of a process."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    def __call__(self, import_id: UUID) -> None:
        """Start an import, and queue messages for its parts.

        Each end of a part queues the message for a further one, so a few are enough. Raises
        RetryLaterError if the database is unavailable.
        """
        try:
            started = self._repository.start_import(import_id)
            if started is None:
                log.warning("import not found")
                return
            log.info("import started", state=started.state.value, parts=len(started.parts))
            if started.parts:
                self._repository.queue_parts(import_id, started)
        except UpstreamError as error:
            log.warning("repository call failed", reason=error.detail, code=error.code)
            raise RetryLaterError.because_of(error, "the database is unavailable") from None
