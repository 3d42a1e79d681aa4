"""The client's own metadata of an object."""

import base64
import json
from typing import Any

from embedded.storage import errors


def parse_metadata(text: str | None) -> dict[str, Any] | None:
    """Return the client's own metadata; ignored if it is not a JSON object, as by the real one."""
    try:
        found = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def encoded_metadata(header: str | None) -> dict[str, Any] | None:
    """Return the client's own metadata in an ``x-metadata`` header, base64 of a JSON object.

    None if it cannot be decoded, as by the real one. Raises StorageError for a list or a string.
    """
    try:
        found = json.loads(base64.b64decode(header or ""))
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list | str):
        raise errors.invalid_parameter("invalid input syntax for type json")
    return found if isinstance(found, dict) else None
