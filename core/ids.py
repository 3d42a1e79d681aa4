"""Ids of imports and contacts, computed so that repeated work changes nothing.

An import's id is a UUIDv7 (RFC 9562, section 5.7). The id of its n-th contact consists of the first
23 hexadecimal digits of the import's id (its 48-bit time and 38 random bits) and n as the last nine
digits, marked as a UUIDv8 (RFC 9562, section 5.8). So the same record always gets the same id, the
ids of one import are one range of the primary key's index, and they grow with time. The database
keeps the prefixes unique, so no two imports can share the id of a contact.

The time in them is about that of the import's end, not that of its acceptance. Ids at the end of
the index are the cheapest to add: Postgres finds the last page without a search, and fills pages
instead of leaving each half empty. Otherwise, a large import would lose that place to the small
imports that are accepted after it.
"""

import secrets
import time
import uuid
from typing import Final

MAX_RECORDS: Final = 16**9 - 1
"""Highest number that a record of an import can have."""

JOB_PREFIX: Final = "import-"
_PREFIX_LENGTH: Final = 27  # 23 digits, 4 hyphens
_RECORDS_A_SECOND: Final = 10_000
"""Slower than imports are, so that one has ended by the time in the ids of its contacts."""
_VERSION_AT: Final = 14
_TIME_SHIFT: Final = 80
"""Number of bits after the time, which is in milliseconds."""


def new_import_id() -> uuid.UUID:
    """Return a UUIDv7 of the current time; its other 74 bits are random."""
    value = (time.time_ns() // 1_000_000) << _TIME_SHIFT | secrets.randbits(_TIME_SHIFT)
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return uuid.UUID(int=value)


def job_id(import_id: uuid.UUID) -> str:
    """Return the id under which clients know an import."""
    return f"{JOB_PREFIX}{import_id}"


def parse_job_id(text: str) -> uuid.UUID | None:
    """Return the import's id in a client's ``jobId``; None if it cannot be one of ours."""
    plain = text.removeprefix(JOB_PREFIX)
    try:
        parsed = uuid.UUID(plain)
    except ValueError:
        return None
    return parsed if text == job_id(parsed) and parsed.version == 7 else None


def contacts_ahead(records: int) -> int:
    """Return by how many seconds an import of so many records dates the ids of its contacts ahead.

    The database keeps it with the import, so it may be computed in another way for later ones.
    """
    return records // _RECORDS_A_SECOND


def contact_id_prefix(import_id: uuid.UUID, ahead: int = 0) -> str:
    """Return the start of the ids of all contacts of an import; append ``f"{record:09x}"``.

    ``ahead`` is the ``contacts_ahead`` of the import.
    """
    text = str(uuid.UUID(int=import_id.int + (ahead * 1000 << _TIME_SHIFT)))
    return f"{text[:_VERSION_AT]}8{text[_VERSION_AT + 1 : _PREFIX_LENGTH]}"
