"""The messages on the queue: the actors and their arguments.

A message names its actor, so that the service need not import the workers. Its arguments are ids
only; everything else is in the database. Where a function takes a ``traceparent``, it is that of
the request which leads to the message; None if the request is not traced.
"""

import json
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from dramatiq import Message

from core.ids import job_id

QUEUE: Final = "imports"
"""Parts of large imports, and undos: what takes long."""
SMALL_QUEUE: Final = "imports-small"
"""Small imports, and the starts of large ones. It has threads of its own, as the next one."""
WEBHOOK_QUEUE: Final = "webhooks"
QUEUES: Final = (QUEUE, SMALL_QUEUE, WEBHOOK_QUEUE)

IMPORT_CONTACTS: Final = "import_contacts"
IMPORT_PART: Final = "import_part"
NOTIFY_IMPORT: Final = "notify_import"
UNDO_IMPORT: Final = "undo_import"
ERASE_ADDRESS: Final = "erase_address"

TRACEPARENT: Final = "traceparent"
"""Message option: the span that queued it, as in the header of that name (W3C Trace Context)."""

_SMALL_BYTES: Final = 256 * 1024
"""Size of an object up to which an import of one part is small: it takes some milliseconds."""


def is_small(parts: int, size: int) -> bool:
    """Return whether an import is processed beside the parts of large ones.

    ``size`` is that of its object in bytes.
    """
    return parts == 1 and size <= _SMALL_BYTES


def first_message(
    import_id: UUID, parts: int, size: int, traceparent: str | None = None
) -> dict[str, Any]:
    """Return the message that is queued with a new import: for its only part, or for all parts."""
    if parts == 1:
        return import_part_message(
            import_id, 1, is_small=is_small(parts, size), traceparent=traceparent
        )
    return import_contacts_message(import_id, traceparent)


def import_contacts_message(import_id: UUID, traceparent: str | None = None) -> dict[str, Any]:
    """Return the message that queues the parts of an import; it has one id for an import."""
    message_id = uuid5(import_id, IMPORT_CONTACTS)
    return _message(SMALL_QUEUE, IMPORT_CONTACTS, (str(import_id),), message_id, traceparent)


def import_part_message(
    import_id: UUID,
    part: int,
    generation: int = 0,
    *,
    is_small: bool = False,
    traceparent: str | None = None,
) -> dict[str, Any]:
    """Return the message that imports a part: this one, or another one that is due first.

    It has one id in one generation, so that it is queued once. ``generation`` is the number of
    retries of the import: the message of an earlier one may still be processed, and would keep an
    equal message from being queued.
    """
    name = f"{IMPORT_PART} {part}" + (f" {generation}" if generation else "")
    queue = SMALL_QUEUE if is_small else QUEUE
    args = (str(import_id), part)
    return _message(queue, IMPORT_PART, args, uuid5(import_id, name), traceparent)


def notify_import_message(import_id: UUID, traceparent: str | None = None) -> dict[str, Any]:
    """Return the message that sends an import's webhook; it has one id for an import.

    Its argument is the ``jobId``: the sweep takes a message whose only argument is the import's id
    for one that queues parts.
    """
    message_id = uuid5(import_id, NOTIFY_IMPORT)
    return _message(WEBHOOK_QUEUE, NOTIFY_IMPORT, (job_id(import_id),), message_id, traceparent)


def retry_message(import_id: UUID, traceparent: str | None = None) -> dict[str, Any]:
    """Return a new message that queues the parts of an import again."""
    return _message(SMALL_QUEUE, IMPORT_CONTACTS, (str(import_id),), uuid4(), traceparent)


def undo_import_message(import_id: UUID, traceparent: str | None = None) -> dict[str, Any]:
    """Return a new message that removes everything an import has written.

    The database keeps the first one until the undo has ended, so repeated requests queue one.
    """
    return _message(QUEUE, UNDO_IMPORT, (str(import_id),), uuid4(), traceparent)


def erase_address_message(erasure_id: UUID, traceparent: str | None = None) -> dict[str, Any]:
    """Return the message that does an erasure; it has one id for an erasure.

    The address is in the database alone, from where it is removed when the erasure ends.
    """
    message_id = uuid5(erasure_id, ERASE_ADDRESS)
    return _message(QUEUE, ERASE_ADDRESS, (str(erasure_id),), message_id, traceparent)


def _message(
    queue: str, actor: str, args: tuple[Any, ...], message_id: UUID, traceparent: str | None
) -> dict[str, Any]:
    message: Message[None] = Message(
        queue_name=queue,
        actor_name=actor,
        args=args,
        kwargs={},
        options={} if traceparent is None else {TRACEPARENT: traceparent},
        message_id=str(message_id),
    )
    encoded: dict[str, Any] = json.loads(message.encode())
    return encoded
