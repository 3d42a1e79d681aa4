"""The event that a webhook receives: an import has ended."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from core.job_view import job_view
from core.retention import Retention
from core.states import ImportState

_END_STATES: Final = {
    ImportState.COMPLETED,
    ImportState.FAILED,
    ImportState.CANCELLED,
    ImportState.UNDONE,
    ImportState.UNDO_FAILED,
}


class ImportEvent:
    """An import with a webhook, as it is now."""

    def __init__(self, url: str, found: dict[str, Any], retention: Retention) -> None:
        """``found`` is what the SQL function ``get_import`` returns."""
        self.url = url
        self.import_id = UUID(found["id"])
        self.state = ImportState(found["state"])
        self.finished_at: str = found["finished_at"]
        self._found = found
        self._retention = retention

    @property
    def has_ended(self) -> bool:
        """Whether there is an end to notify of: a failed import may have been retried."""
        return self.state in _END_STATES

    @property
    def id(self) -> str:
        """Id of the event: the same in each request about this end, another one for the next end.

        ``webhook-id`` of Standard Webhooks.
        """
        return f"msg_{uuid5(self.import_id, f'{self.state} {self.finished_at}').hex}"

    def age(self, now: datetime) -> float:
        """Seconds since the import's end."""
        return (now - datetime.fromisoformat(self.finished_at)).total_seconds()

    def body(self) -> bytes:
        """The request body; ``data`` is what ``GET /import/{jobId}`` answers."""
        event = {
            "type": f"import.{self.state}",
            "timestamp": self.finished_at,
            "data": job_view(self._found, self._retention),
        }
        return msgspec.json.encode(event)
