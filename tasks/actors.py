"""The actors: what dramatiq calls for each message. The work itself is in ``Services``."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final
from uuid import UUID

import dramatiq
import structlog
from dramatiq.errors import Retry
from dramatiq.middleware import CurrentMessage, TimeLimitExceeded

from config.tracing import JOB_ID
from core import queue_messages as messages
from core.ids import JOB_PREFIX
from tasks.errors import RetryLaterError, WorkerStoppingError
from tasks.queue.broker import broker, runtime
from tasks.queue.message_retries import RetryNoSoonerError

_AFTER_IMPORTS: Final = 10
"""Priority of notifications: dramatiq takes the lowest number first, and the default is 0."""
_NOTIFY_MIN_BACKOFF: Final = 2_000
_NOTIFY_MAX_BACKOFF: Final = 2 * 3_600_000
"""Milliseconds between two tries of a notification: at first, and in the end."""
_ENDED_ATTEMPTS: Final = "ended_attempts"
"""Message option: ids of attempts whose end could not be recorded."""
_MAX_ENDED_ATTEMPTS: Final = 20
"""A part with that many open attempts would have been given up before, in most settings."""

log = structlog.stdlib.get_logger(__name__)


@dramatiq.actor(actor_name=messages.IMPORT_CONTACTS, queue_name=messages.SMALL_QUEUE, broker=broker)
def import_contacts(import_id: str) -> None:
    """Start an import and queue its parts."""
    job = JOB_PREFIX + import_id
    with _span(messages.IMPORT_CONTACTS, job), _working_on(job):
        runtime.services.import_contacts(UUID(import_id))


@dramatiq.actor(actor_name=messages.IMPORT_PART, queue_name=messages.QUEUE, broker=broker)
def import_part(import_id: str, part: int) -> None:
    """Import one part: this one, or another one that is due first.

    It makes its span itself, in the trace of the import that the part belongs to.
    """
    message = CurrentMessage.get_current_message()
    with _working_on(JOB_PREFIX + import_id, part=part):
        runtime.services.import_part(
            UUID(import_id),
            part,
            message_id=None if message is None else UUID(message.message_id),
            ended_attempts=_ended_attempts(),
        )


@dramatiq.actor(
    actor_name=messages.NOTIFY_IMPORT,
    queue_name=messages.WEBHOOK_QUEUE,
    broker=broker,
    priority=_AFTER_IMPORTS,
    min_backoff=_NOTIFY_MIN_BACKOFF,
    max_backoff=_NOTIFY_MAX_BACKOFF,
)
def notify_import(job_id: str) -> None:
    """Notify a client's webhook of an import's end."""
    with _span(messages.NOTIFY_IMPORT, job_id), _working_on(job_id):
        runtime.services.notify_import(UUID(job_id.removeprefix(JOB_PREFIX)))


@dramatiq.actor(actor_name=messages.UNDO_IMPORT, queue_name=messages.QUEUE, broker=broker)
def undo_import(import_id: str) -> None:
    """Remove everything of an import."""
    job = JOB_PREFIX + import_id
    with _span(messages.UNDO_IMPORT, job), _working_on(job):
        runtime.services.undo_import(UUID(import_id))


@dramatiq.actor(actor_name=messages.ERASE_ADDRESS, queue_name=messages.QUEUE, broker=broker)
def erase_address(erasure_id: str) -> None:
    """Remove everything about an e-mail address."""
    with (
        _span(messages.ERASE_ADDRESS),
        structlog.contextvars.bound_contextvars(erasure_id=erasure_id),
        _retry_on_error(),
    ):
        runtime.services.erase_address(UUID(erasure_id))


def _span(name: str, job_id: str | None = None) -> AbstractContextManager[None]:
    """Return the span of the current message, in the trace of the request that queued it.

    ``_retry_on_error`` makes it an error: some retries are none.
    """
    message = CurrentMessage.get_current_message()
    return runtime.services.traces.span(
        name,
        kind="consumer",
        parent=None if message is None else message.options.get(messages.TRACEPARENT),
        attributes={} if job_id is None else {JOB_ID: job_id},
        expected=(Retry,),
    )


@contextmanager
def _working_on(job_id: str, **more: int) -> Iterator[None]:
    """Have log lines name the import, and ``more``; otherwise the same as ``_retry_on_error``."""
    with structlog.contextvars.bound_contextvars(job_id=job_id, **more), _retry_on_error():
        yield


@contextmanager
def _retry_on_error() -> Iterator[None]:
    """Have the message queued again on every error: at once, at a given time, or after a backoff.

    Causes are logged here and not passed on: dramatiq would store their tracebacks in the message.
    """
    try:
        yield
    except WorkerStoppingError as error:
        log.info("message handed back: the worker is stopping")
        _remember_ended(error.ended_attempt)
        raise Retry(str(error), delay=0) from None
    except RetryLaterError as error:
        runtime.services.traces.fail(str(error))
        _remember_ended(error.ended_attempt)
        # Never 0: without a delay dramatiq-pg would announce the message while it is still locked.
        delay = None if error.seconds is None else max(1000, int(error.seconds * 1000))
        if delay is None or error.exact:
            raise Retry(str(error), delay=delay) from None
        raise RetryNoSoonerError(str(error), delay) from None
    except (Exception, TimeLimitExceeded):
        log.exception("message failed: unexpected error")
        runtime.services.traces.fail("unexpected error")
        raise Retry("unexpected error") from None


def _ended_attempts() -> list[UUID]:
    """The attempts that the current message carries."""
    message = CurrentMessage.get_current_message()
    if message is None:
        return []
    return [UUID(text) for text in message.options.get(_ENDED_ATTEMPTS, ())]


def _remember_ended(attempt: UUID | None) -> None:
    """Add an attempt to the current message, which is queued again with its options."""
    message = CurrentMessage.get_current_message()
    if message is not None and attempt is not None:
        attempts = [*message.options.get(_ENDED_ATTEMPTS, ()), str(attempt)]
        message.options[_ENDED_ATTEMPTS] = attempts[-_MAX_ENDED_ATTEMPTS:]
