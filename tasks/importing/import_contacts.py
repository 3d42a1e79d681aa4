"""The import as a whole: queues its parts for all workers, or imports the only one at once."""

from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from core.errors import UpstreamError
from tasks.errors import RetryLaterError
from tasks.repository import Repository

log = structlog.stdlib.get_logger(__name__)


class ImportContacts:
    """Starts imports; shared by all threads of a process."""

    def __init__(self, repository: Repository, import_part: Callable[..., None]) -> None:
        """``import_part`` imports a part in the calling thread, as ImportPart does."""
        self._repository = repository
        self._import_part = import_part

    def __call__(self, import_id: UUID, *, ended_attempts: Sequence[UUID] = ()) -> None:
        """Start an import and see that its parts are imported.

        ``ended_attempts`` is for ``import_part``, whose errors are raised here too. Raises
        RetryLaterError if the database is unavailable.
        """
        try:
            started = self._repository.start_import(import_id)
            if started is None:
                log.warning("import not found")
                return
            log.info("import started", state=started.state.value, parts=len(started.parts))
            if len(started.parts) > 1:
                self._repository.queue_parts(import_id, started)
                return
        except UpstreamError as error:
            log.warning("repository call failed", reason=error.detail, code=error.code)
            raise RetryLaterError.because_of(error, "the database is unavailable") from None
        for part in started.parts:
            self._import_part(import_id, part, ended_attempts=ended_attempts)
