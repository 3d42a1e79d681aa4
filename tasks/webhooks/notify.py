"""The story of a webhook: an import has ended, and somebody wants to know.

They are told at least once of each end: a request is sent until it is answered with 2xx, for a day.
All requests of one end have the same id, so that a receiver can tell them from others.
"""

import time
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from uuid import UUID, uuid5

import msgspec
import structlog

from core.errors import InvalidTargetError, UpstreamError
from core.job_view import job_view
from core.states import ImportState
from core.supabase.rpc import RpcClient
from core.webhook_targets import Target, parse_target
from tasks.errors import RetryLaterError
from tasks.webhooks.send import Answer, DeliveryError, PrivateAddressError
from tasks.webhooks.sign import Signer

log = structlog.stdlib.get_logger(__name__)

DAY: Final = 86_400.0
"""Seconds from the import's end, after which nobody is told any more."""
_LONGEST_WAIT: Final = 3600.0
"""Seconds that a receiver may ask for, at most, before it is tried again."""
_ENDS: Final = {
    ImportState.COMPLETED,
    ImportState.FAILED,
    ImportState.CANCELLED,
    ImportState.UNDONE,
    ImportState.UNDO_FAILED,
}
_GONE: Final = 410
_AGAIN_SECONDS: Final = 1.0


class ImportEnd:
    """The end of an import, as a message tells it."""

    def __init__(self, url: str, found: dict[str, Any]) -> None:
        """``found`` is what the database's ``get_import`` tells."""
        self.url = url
        self.import_id = UUID(found["id"])
        self.state = ImportState(found["state"])
        self.finished_at: str = found["finished_at"]
        self._found = found

    @property
    def is_one(self) -> bool:
        """Whether the import has ended indeed: one that failed may have been begun again."""
        return self.state in _ENDS

    @property
    def id(self) -> str:
        """The same for each request that tells of this end, another one for the next."""
        return f"msg_{uuid5(self.import_id, f'{self.state} {self.finished_at}').hex}"

    def seconds_ago(self, now: datetime) -> float:
        """How long it has been."""
        return (now - datetime.fromisoformat(self.finished_at)).total_seconds()

    def body(self) -> bytes:
        """What is sent; the import as ``GET /import/{jobId}`` shows it."""
        told = {
            "type": f"import.{self.state}",
            "timestamp": self.finished_at,
            "data": job_view(self._found),
        }
        return msgspec.json.encode(told)


class EndRepository:
    """Tells of imports that somebody wants to be told of."""

    def __init__(self, functions: RpcClient) -> None:
        self._functions = functions

    def show_end(self, import_id: UUID) -> ImportEnd | None:
        """The import as it is now; None if nobody wants to know. Raises UpstreamError."""
        found = self._functions.call("show_end", p_import=str(import_id))
        return ImportEnd(found["url"], found["import"]) if found else None


class Repository(Protocol):
    """What the story needs of EndRepository."""

    def show_end(self, import_id: UUID) -> ImportEnd | None:
        """See EndRepository."""
        ...


class Sender(Protocol):
    """What the story needs of webhooks.sending.Sender."""

    def post(self, target: Target, headers: dict[str, str], body: bytes) -> Answer:
        """See Sender."""
        ...


class NotifyImport:
    """Tells of ends; usable by all threads of a process at once."""

    def __init__(
        self, repository: Repository, sender: Sender, signer: Signer | None, *, allow_private: bool
    ) -> None:
        """Without a ``signer`` nobody is told anything."""
        self._repository = repository
        self._sender = sender
        self._signer = signer
        self._allow_private = allow_private

    def __call__(self, import_id: UUID) -> None:
        """Tell of an import's end; raises RetryLaterError if it has to be tried again."""
        end = self._read(import_id)
        if end is None:
            log.info("nobody to notify")
        elif not end.is_one:
            raise RetryLaterError("the import goes on")
        else:
            self._tell(end)
            self._look_again(end)

    def _tell(self, end: ImportEnd) -> None:
        target = self._target(end)
        if target is None or self._signer is None:
            log.warning("not notified: webhooks are off, or the address is not taken any more")
            return
        body = end.body()
        headers = self._signer.headers(end.id, int(time.time()), body)
        headers["Content-Type"] = "application/json"
        try:
            answer = self._sender.post(target, headers, body)
        except PrivateAddressError as error:
            log.warning("not notified", host=target.host, reason=str(error))
        except DeliveryError as error:
            self._put_off(end, target, str(error), None)
        else:
            self._heed(end, target, answer)

    def _heed(self, end: ImportEnd, target: Target, answer: Answer) -> None:
        told = {"host": target.host, "status": answer.status}
        if 200 <= answer.status < 300:
            log.info("notified", state=end.state.value, **told)
        elif answer.status == _GONE:
            log.warning("not notified: the receiver wants to hear no more", **told)
        else:
            self._put_off(end, target, f"status {answer.status}", answer.retry_after)

    def _put_off(self, end: ImportEnd, target: Target, reason: str, seconds: float | None) -> None:
        age = end.seconds_ago(datetime.now(UTC))
        log.warning("notification failed", host=target.host, reason=reason, age=round(age))
        if age > DAY:
            log.error("not notified: given up", host=target.host)
            return
        raise RetryLaterError(
            "not told yet", None if seconds is None else min(seconds, _LONGEST_WAIT)
        )

    def _target(self, end: ImportEnd) -> Target | None:
        """The settings may have changed since the import was accepted."""
        try:
            return parse_target(end.url, allow_private=self._allow_private)
        except InvalidTargetError:
            return None

    def _look_again(self, told: ImportEnd) -> None:
        """The message of another end changes nothing while this one is in work."""
        end = self._read(told.import_id)
        if end is not None and end.id != told.id:
            raise RetryLaterError("the import has been begun again", _AGAIN_SECONDS, exact=True)

    def _read(self, import_id: UUID) -> ImportEnd | None:
        try:
            return self._repository.show_end(import_id)
        except UpstreamError as error:
            log.warning("ledger does not do its part", reason=error.detail, code=error.code)
            raise RetryLaterError.since(error, "the repository is away") from None
