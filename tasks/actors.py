"""The actors, as messages name them: what they do is told in the modules of the same names."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

import dramatiq
import structlog
from dramatiq.errors import Retry
from dramatiq.middleware import CurrentMessage, TimeLimitExceeded

from core import messages
from core.ids import JOB_PREFIX
from tasks.errors import RetryLaterError, WorkerStoppingError
from tasks.queue.broker import broker, runtime
from tasks.queue.retries import RetryNoSoonerError

_AFTER_IMPORTS: Final = 10
"""Priority: the default, 0, comes first."""
_ENDED: Final = "ended_attempts"
"""Option of a message."""
_MOST_ENDED: Final = 20
"""More than may be open at a part before it is given up, usually."""
_NOTIFY_AFTER: Final = 2_000
_NOTIFY_EVERY: Final = 2 * 3_600_000
"""Milliseconds between two tries, at first and in the end."""

log = structlog.stdlib.get_logger(__name__)


@dramatiq.actor(actor_name=messages.IMPORT_CONTACTS, queue_name=messages.QUEUE, broker=broker)
def import_contacts(import_id: str) -> None:
    """Hand out the parts of an import."""
    with structlog.contextvars.bound_contextvars(import_id=import_id), _queued_again():
        runtime.services.import_contacts(UUID(import_id), ended=_ended())


@dramatiq.actor(actor_name=messages.IMPORT_PART, queue_name=messages.QUEUE, broker=broker)
def import_part(import_id: str, part: int) -> None:
    """Import one part."""
    with structlog.contextvars.bound_contextvars(import_id=import_id, part=part), _queued_again():
        runtime.services.import_part(UUID(import_id), part, ended=_ended())


@dramatiq.actor(
    actor_name=messages.NOTIFY_IMPORT,
    queue_name=messages.QUEUE,
    broker=broker,
    priority=_AFTER_IMPORTS,
    min_backoff=_NOTIFY_AFTER,
    max_backoff=_NOTIFY_EVERY,
)
def notify_import(job_id: str) -> None:
    """Tell somebody of an import's end."""
    import_id = UUID(job_id.removeprefix(JOB_PREFIX))
    with structlog.contextvars.bound_contextvars(import_id=str(import_id)), _queued_again():
        runtime.services.notify_import(import_id)


@dramatiq.actor(actor_name=messages.UNDO_IMPORT, queue_name=messages.QUEUE, broker=broker)
def undo_import(import_id: str) -> None:
    """Remove all of an import."""
    with structlog.contextvars.bound_contextvars(import_id=import_id), _queued_again():
        runtime.services.undo_import(UUID(import_id))


@contextmanager
def _queued_again() -> Iterator[None]:
    """Have the message come again: at once, at a time that was named, or with dramatiq's backoff.

    The causes are logged here, since dramatiq would store their tracebacks in the message.
    """
    try:
        yield
    except WorkerStoppingError as stopping:
        log.info("handed back: this worker is stopping")
        _note_ended(stopping.ended)
        raise Retry(str(stopping), delay=0) from None
    except RetryLaterError as put_off:
        _note_ended(put_off.ended)
        delay = _milliseconds(put_off.seconds)
        if delay is None or put_off.exact:
            raise Retry(str(put_off), delay=delay) from None
        raise RetryNoSoonerError(str(put_off), delay) from None
    except (Exception, TimeLimitExceeded):
        log.exception("failed in a way that was not foreseen")
        raise Retry("failed in a way that was not foreseen") from None


def _ended() -> list[UUID]:
    """Attempts that ended in order, and of which the repository may not know yet."""
    message = CurrentMessage.get_current_message()
    return [] if message is None else [UUID(text) for text in message.options.get(_ENDED, ())]


def _note_ended(attempt: UUID | None) -> None:
    """Have the message carry it: Retries queues it again with its options."""
    message = CurrentMessage.get_current_message()
    if message is not None and attempt is not None:
        ended = [*message.options.get(_ENDED, ()), str(attempt)]
        message.options[_ENDED] = ended[-_MOST_ENDED:]


def _milliseconds(seconds: float | None) -> int | None:
    # Never 0: without a delay dramatiq-pg would announce the message while it is still locked.
    return None if seconds is None else max(1000, int(seconds * 1000))
