"""The messages on the queue: which actors there are, and what each is told.

A message names its actor, so that the service need not import the workers. Nothing but ids
travels; all else is in the repository.
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


def import_contacts_message(import_id: UUID) -> dict[str, Any]:
    """Tells a worker to hand out the parts of an import; always the same for the same import."""
    return _message(IMPORT_CONTACTS, (str(import_id),), uuid5(import_id, IMPORT_CONTACTS))


def import_part_message(import_id: UUID, part: int, generation: int = 0) -> dict[str, Any]:
    """Has a worker import one part; always the same in one generation, so that it is queued once.

    ``generation`` is the number of the import's retries: the message of an earlier one may still be
    in work, and would keep the same message from being queued.
    """
    name = f"{IMPORT_PART} {part}" + (f" {generation}" if generation else "")
    return _message(IMPORT_PART, (str(import_id), part), uuid5(import_id, name))


def notify_import_message(import_id: UUID) -> dict[str, Any]:
    """Tells a worker to tell somebody of an import's end; always the same for the same import.

    It names the import as clients do: what names it by the id alone, the sweeps take for a message
    that hands out parts.
    """
    return _message(NOTIFY_IMPORT, (job_id(import_id),), uuid5(import_id, NOTIFY_IMPORT))


def first_message(import_id: UUID, parts: int) -> dict[str, Any]:
    """The message that an import is recorded with; nobody has to hand out a single part."""
    return import_part_message(import_id, 1) if parts == 1 else import_contacts_message(import_id)


def retry_message(import_id: UUID) -> dict[str, Any]:
    """Tells a worker to hand out the parts of an import once more; another one for each retry."""
    return _message(IMPORT_CONTACTS, (str(import_id),), uuid4())


def undo_import_message(import_id: UUID) -> dict[str, Any]:
    """Has a worker remove all of an import; another one for each request.

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
