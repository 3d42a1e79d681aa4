"""How large the parts of an object are, by how long Storage takes before it sends one.

Supabase Storage's file backend reads the whole object for each ranged read (see
``digest_seconds``). Parts of the usual size would then make it read the object hundreds of times,
and an object twice as large would take four times as long. How slow it is shows at the end of the
upload, for which it does the same.
"""

from collections.abc import Sequence
from typing import Final

from core.models import Part
from service.splitting.part_cutter import merged

_BYTES_PER_SECOND: Final = 20_000_000
"""About as fast as a machine imports: so waiting takes no longer than importing."""
_SMALL_BYTES: Final = 128 * 1024 * 1024
"""Smaller objects have few parts, and each of their reads waits for less than a second."""
_LEAST_PARTS: Final = 8
"""A part for each of the threads that usually share an import."""
_MAX_BYTES: Final = 256 * 1024 * 1024
"""A part ends within minutes beside seven others, well before the time limit of a message."""


def parts_to_read(parts: Sequence[Part], completion_seconds: float) -> list[Part]:
    """Return the parts, merged so far that Storage's first bytes do not take most of the time.

    ``completion_seconds`` is how long Storage took to make the object of the uploaded bytes.
    """
    size = parts[-1].byte_end if parts else 0
    if size < _SMALL_BYTES:
        return list(parts)
    least_bytes = min(completion_seconds * _BYTES_PER_SECOND, size / _LEAST_PARTS, _MAX_BYTES)
    return merged(parts, least_bytes)
