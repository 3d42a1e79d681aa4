"""Notifies a client's webhook of the end of an import.

At least once for each end: the request is repeated until it is answered with 2xx, for a day. All
requests about one end have the same id, so that a receiver can drop repetitions.
"""

import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NoReturn
from uuid import UUID

import structlog

from config.tracing import NO_TRACES, OUTCOME, Traces
from core.errors import InvalidTargetError, UpstreamError
from core.webhook_targets import Target, parse_target
from tasks.errors import RetryLaterError
from tasks.repository import Repository
from tasks.webhooks.event import ImportEvent
from tasks.webhooks.send import DeliveryError, PrivateAddressError, Sender
from tasks.webhooks.sign import Signer

if TYPE_CHECKING:
    from tasks.metrics import Metrics

log = structlog.stdlib.get_logger(__name__)

GIVE_UP_AFTER: Final = 86_400.0
"""Seconds from an import's end after which a notification is not tried again."""
_MAX_RETRY_AFTER: Final = 3600.0
"""The longest time in seconds for which a receiver can delay the next try."""
_HTTP_GONE: Final = 410
_RETRIED_DELAY: Final = 1.0
"""Seconds after which an import that was retried meanwhile is looked at again."""


class WebhookOutcome(StrEnum):
    """What became of one try to notify."""

    DELIVERED = "delivered"
    RETRIED = "retried"
    """There was no response, or none that ends it: it will be tried again."""
    GIVEN_UP = "given_up"
    """It was tried for a day."""
    GONE = "gone"
    """The receiver wants no further notifications."""
    FORBIDDEN = "forbidden"
    """The address is not allowed (any more), or leads into a private network."""
    DISABLED = "disabled"
    """Webhooks were disabled after the import was accepted."""


class NotifyImport:
    """Sends notifications; shared by all threads of a process."""

    def __init__(  # noqa: PLR0913 -- what a notification needs, and who observes it
        self,
        repository: Repository,
        sender: Sender,
        signer: Signer | None,
        metrics: "Metrics",
        *,
        allow_private: bool,
        traces: Traces = NO_TRACES,
    ) -> None:
        """``signer`` is None if webhooks are disabled; ``allow_private`` is for tests."""
        self._repository = repository
        self._sender = sender
        self._signer = signer
        self._metrics = metrics
        self._allow_private = allow_private
        self._traces = traces

    def __call__(self, import_id: UUID) -> None:
        """Notify of an import's end; raises RetryLaterError if it has to be tried again."""
        event = self._read_event(import_id)
        if event is None:
            log.info("import has no webhook")
            return
        if not event.has_ended:
            raise RetryLaterError("the import has not ended")
        self._notify(event)
        # While this message is processed, the same message of a later end is not queued.
        latest = self._read_event(import_id)
        if latest is not None and latest.id != event.id:
            raise RetryLaterError("the import was retried", _RETRIED_DELAY, exact=True)

    def _notify(self, event: ImportEvent) -> None:
        try:  # again, since the setting may have changed after the import was accepted
            target = parse_target(event.url, allow_private=self._allow_private)
        except InvalidTargetError:
            log.warning("not notified: the address is not allowed")
            self._metrics.webhook_ended(WebhookOutcome.FORBIDDEN)
            return
        if self._signer is None:
            log.warning("not notified: webhooks are disabled")
            self._metrics.webhook_ended(WebhookOutcome.DISABLED)
            return
        if (age := event.age(datetime.now(UTC))) > GIVE_UP_AFTER:
            log.error("notification given up", host=target.host, age=round(age))
            self._metrics.webhook_ended(WebhookOutcome.GIVEN_UP)
            self._traces.annotate({OUTCOME: "failed"})
            self._traces.fail("given_up")
            return
        body = event.body()
        headers = self._signer.headers(event.id, int(time.time()), body)
        headers["Content-Type"] = "application/json"
        try:
            response = self._sender.post(target, headers, body)
        except PrivateAddressError as error:
            log.warning("not notified", host=target.host, reason=str(error))
            self._metrics.webhook_ended(WebhookOutcome.FORBIDDEN)
            return
        except DeliveryError as error:
            self._retry_later(event, target, str(error), None)
        self._traces.annotate({"http.response.status_code": response.status})
        if 200 <= response.status < 300:
            self._traces.annotate({OUTCOME: "done"})
            log.info("notified", state=event.state.value, host=target.host, status=response.status)
            self._metrics.webhook_ended(WebhookOutcome.DELIVERED)
        elif response.status == _HTTP_GONE:
            log.warning(
                "not notified: the receiver is gone", host=target.host, status=response.status
            )
            self._metrics.webhook_ended(WebhookOutcome.GONE)
        else:
            self._retry_later(event, target, f"status {response.status}", response.retry_after)

    def _retry_later(
        self, event: ImportEvent, target: Target, reason: str, retry_after: float | None
    ) -> NoReturn:
        """Have the message come again, when the import's age is looked at first."""
        age = event.age(datetime.now(UTC))
        log.warning("notification failed", host=target.host, reason=reason, age=round(age))
        self._metrics.webhook_ended(WebhookOutcome.RETRIED)
        raise RetryLaterError(
            "the notification failed",
            None if retry_after is None else min(retry_after, _MAX_RETRY_AFTER),
        )

    def _read_event(self, import_id: UUID) -> ImportEvent | None:
        try:
            return self._repository.show_end(import_id)
        except UpstreamError as error:
            log.warning("repository call failed", reason=error.detail, code=error.code)
            raise RetryLaterError.because_of(error, "the database is unavailable") from None
