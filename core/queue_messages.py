"""The messages on the queue: the actors and their arguments.

A message names its actor, so that the service need not import the workers. Its arguments are ids
only; everything else is in the database.
"""

import json
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from dramatiq import Message

from core.ids import job_id

QUEUE: Final = "imports"
IMPORT_CONTACTS: Final = "import_contacts"
IMPORT_PART: Final = "import_part"
NOTIFY_IMPORT: Final = "notify_import"
UNDO_IMPORT: Final = "undo_import"


def first_message(import_id: UUID, parts: int) -> dict[str, Any]:
    """Return the message that is queued with a new import: for its only part, or for all parts."""
    return import_part_message(import_id, 1) if parts == 1 else import_contacts_message(import_id)


def import_contacts_message(import_id: UUID) -> dict[str, Any]:
    """Return the message that queues the parts of an import; always the same for an import."""
    return _message(IMPORT_CONTACTS, (str(import_id),), uuid5(import_id, IMPORT_CONTACTS))


def import_part_message(import_id: UUID, part: int, generation: int = 0) -> dict[str, Any]:
    """Return the message that imports one part.

    It is always the same in one generation, so that it is queued once. ``generation`` is the number
    of retries of the import: the message of an earlier one may still be processed, and would keep
    an equal message from being queued.
    """
    name = f"{IMPORT_PART} {part}" + (f" {generation}" if generation else "")
    return _message(IMPORT_PART, (str(import_id), part), uuid5(import_id, name))


def notify_import_message(import_id: UUID) -> dict[str, Any]:
    """Return the message that sends an import's webhook; always the same for an import.

    Its argument is the ``jobId``: the sweep takes a message whose only argument is the import's id
    for one that queues parts.
    """
    return _message(NOTIFY_IMPORT, (job_id(import_id),), uuid5(import_id, NOTIFY_IMPORT))


def retry_message(import_id: UUID) -> dict[str, Any]:
    """Return a new message that queues the parts of an import again."""
    return _message(IMPORT_CONTACTS, (str(import_id),), uuid4())


def undo_import_message(import_id: UUID) -> dict[str, Any]:
    """Return a new message that removes everything an import has written.

    The database keeps the first one until the undo has ended, so repeated requests queue one.
    """
    return _message(UNDO_IMPORT, (str(import_id),), uuid4())


def _message(actor: str, args: tuple[Any, ...], message_id: UUID) -> dict[str, Any]:
    message: Message[None] = Message(
        queue_name=QUEUE,
        actor_name=actor,
        args=args,
        kwargs={},
        options={},
        message_id=str(message_id),
    )
    encoded: dict[str, Any] = json.loads(message.encode())
    return encoded
