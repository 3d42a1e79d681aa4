"""What a body or a file contains, by its media type or its file name."""

from enum import Enum
from typing import Final

from core.states import Format

MULTIPART: Final = "multipart/form-data"
ACCEPTED_BODIES: Final = (
    'application/json ({"source", "data"}), multipart/form-data (source, file), text/csv or '
    "application/x-ndjson (both with ?source=)"
)
"""The bodies of ``POST /import``, for the detail of a problem."""


class Kind(Enum):
    """How the records come; each kind has a splitter of its own."""

    JSON_ENVELOPE = "JSON envelope"
    """A JSON object with ``source`` and ``data``."""
    JSON_ARRAY = "JSON array"
    """A file that is one JSON array."""
    CSV = "CSV"
    NDJSON = "NDJSON"

    @property
    def format(self) -> Format:
        """Format of the stored object."""
        return _FORMATS.get(self, Format.JSON)


_FORMATS: Final = {Kind.CSV: Format.CSV, Kind.NDJSON: Format.NDJSON}
_BODIES: Final = {
    "application/json": Kind.JSON_ENVELOPE,
    "text/csv": Kind.CSV,
    **dict.fromkeys(
        ("application/x-ndjson", "application/ndjson", "application/jsonl"), Kind.NDJSON
    ),
}
_FILES: Final = _BODIES | {"application/json": Kind.JSON_ARRAY}
_SUFFIXES: Final = {
    ".csv": Kind.CSV,
    ".json": Kind.JSON_ARRAY,
    ".ndjson": Kind.NDJSON,
    ".jsonl": Kind.NDJSON,
}


def kind_of_body(media_type: str) -> Kind | None:
    """Return the kind of a body of this media type; None for a form and for unknown types."""
    return _BODIES.get(media_type)


def kind_of_file(media_type: str, suffix: str) -> Kind | None:
    """Return the kind of a file by its media type, else by its suffix; None if both are unknown."""
    return _FILES.get(media_type) or _SUFFIXES.get(suffix.lower())
