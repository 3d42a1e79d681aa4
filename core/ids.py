"""Ids that make repeated work harmless.

An import's id is a UUIDv7 (RFC 9562, 5.7). The id of its n-th contact is computed: the first 23
hexadecimal digits of the import's id (with its 48-bit time and 38 random bits), then n as the
last nine, marked as a UUIDv8 (RFC 9562, 5.8). The same record therefore always gets
the same id, the ids of one import are one range of the primary key's index, and they grow with
time. The database keeps the prefixes unique, so no two imports can share a contact's id.
"""

import secrets
import time
import uuid
from typing import Final

MAX_RECORDS: Final = 16**9 - 1
"""Records that one import can number."""

JOB_PREFIX: Final = "import-"
_PREFIX_LENGTH: Final = 27  # 23 digits, 4 hyphens
_VERSION_AT: Final = 14


def new_import_id() -> uuid.UUID:
    """A UUIDv7 of this moment (RFC 9562, 5.7), unguessable in its other 74 bits."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return uuid.UUID(int=value)


def job_id(import_id: uuid.UUID) -> str:
    """The import's id as clients know it."""
    return f"{JOB_PREFIX}{import_id}"


def parse_job_id(text: str) -> uuid.UUID | None:
    """The import behind a client's ``jobId``; None if it cannot be one of ours."""
    plain = text.removeprefix(JOB_PREFIX)
    try:
        parsed = uuid.UUID(plain)
    except ValueError:
        return None
    return parsed if text == job_id(parsed) and parsed.version == 7 else None


def contact_id_prefix(import_id: uuid.UUID) -> str:
    """What the ids of all contacts of an import begin with; append ``f"{record:09x}"``."""
    text = str(import_id)
    return f"{text[:_VERSION_AT]}8{text[_VERSION_AT + 1 : _PREFIX_LENGTH]}"
