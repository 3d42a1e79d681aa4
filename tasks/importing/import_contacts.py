"""The story of an import: hand its parts out to all workers, or do the only one at once."""

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

import structlog

from core.errors import UpstreamError
from tasks.errors import RetryLaterError
from tasks.repository import StartedImport

log = structlog.stdlib.get_logger(__name__)


class ImportRepository(Protocol):
    """What the story needs of Repository."""

    def start_import(self, import_id: UUID) -> StartedImport | None:
        """See Repository."""
        ...

    def queue_parts(self, import_id: UUID, started: StartedImport) -> None:
        """See Repository."""
        ...


class ImportContacts:
    """Begins imports; usable by all threads of a process at once."""

    def __init__(self, repository: ImportRepository, import_part: Callable[..., None]) -> None:
        """``import_part`` does a part in this very thread."""
        self._repository = repository
        self._import_part = import_part

    def __call__(self, import_id: UUID, *, ended: Sequence[UUID] = ()) -> None:
        """See that all parts get done; raises RetryLaterError if it has to be tried again.

        ``ended`` is what a part that was begun with this message has named.
        """
        try:
            parts = self._hand_out(import_id)
        except UpstreamError as error:
            log.warning("ledger does not do its part", reason=error.detail, code=error.code)
            raise RetryLaterError.since(error, "the repository is away") from None
        for part in parts:
            self._import_part(import_id, part, ended=ended)

    def _hand_out(self, import_id: UUID) -> Sequence[int]:
        """Queue the parts; returns those to be done here."""
        started = self._repository.start_import(import_id)
        if started is None:
            log.warning("import is unknown")
            return ()
        log.info("import begun", state=started.state.value, parts=len(started.parts))
        if len(started.parts) <= 1:
            return started.parts
        self._repository.queue_parts(import_id, started)
        return ()
