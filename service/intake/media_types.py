"""What a body or a file is said to contain, by its media type or its file name.

Its first bytes decide in the end; see core.reading.sniffing.
"""

from typing import Final

from core.reading.sniffing import Kind

MULTIPART: Final = "multipart/form-data"
ACCEPTED_BODIES: Final = (
    'application/json ({"source", "data"}), multipart/form-data (source, file), text/csv or '
    "application/x-ndjson (both with ?source=)"
)
"""The bodies of ``POST /import``, for the detail of a problem."""

_TYPES: Final = {
    "application/json": Kind.JSON_ENVELOPE,
    "text/json": Kind.JSON_ENVELOPE,
    **dict.fromkeys(
        (
            *("text/csv", "text/x-csv", "application/csv", "application/x-csv"),
            *("text/comma-separated-values", "text/x-comma-separated-values"),
            *("text/tab-separated-values", "text/tsv"),
        ),
        Kind.CSV,
    ),
    **dict.fromkeys(
        (
            *("application/x-ndjson", "application/ndjson", "application/jsonl"),
            *("application/x-jsonlines", "application/jsonlines", "application/x-jsonl"),
        ),
        Kind.NDJSON,
    ),
}
_LOOKED_AT: Final = frozenset(
    {
        "application/octet-stream",
        "binary/octet-stream",
        "text/plain",
        "application/vnd.ms-excel",  # browsers on Windows send this for .csv
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.oasis.opendocument.spreadsheet",
        "application/pdf",
        "application/zip",
        "application/x-zip-compressed",
    }
)
"""Types of bodies that say nothing, or are told from the first bytes by name."""
_JSON_SUFFIX: Final = "+json"
_SUFFIXES: Final = {
    ".csv": Kind.CSV,
    ".tsv": Kind.CSV,
    ".tab": Kind.CSV,
    ".json": Kind.JSON_ARRAY,
    ".ndjson": Kind.NDJSON,
    ".jsonl": Kind.NDJSON,
}


def kind_of_type(media_type: str) -> Kind | None:
    """Return the kind that a media type names; None for any other."""
    if media_type.endswith(_JSON_SUFFIX):
        return Kind.JSON_ENVELOPE
    return _TYPES.get(media_type)


def is_looked_at(media_type: str) -> bool:
    """Return whether a body of this type is looked at, although the type does not name its kind."""
    return media_type in _LOOKED_AT


def kind_of_file(media_type: str, suffix: str) -> Kind | None:
    """Return the kind of a file by its media type, else by its suffix; None if both are unknown."""
    kind = kind_of_type(media_type) or _SUFFIXES.get(suffix.lower())
    return Kind.JSON_ARRAY if kind is Kind.JSON_ENVELOPE else kind
