"""The type of a file, from the extensions of its name."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, Self

_FORMATS: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
_COMPRESSIONS: Final = {".gz": "gzip", ".zst": "zstd"}
_MEDIA_TYPES: Final = {
    "csv": "text/csv",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
}
_UNKNOWN: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class FileType:
    """A file's format and compression."""

    format: str | None
    """``csv``, ``json`` or ``ndjson``; None if only the file shows it."""
    compression: str | None
    """The value for Content-Encoding: ``gzip`` or ``zstd``; None if not compressed."""

    @classmethod
    def from_name(cls, name: str) -> Self:
        """Return the type that the extensions of a file name imply."""
        path = PurePath(name.lower())
        compression = _COMPRESSIONS.get(path.suffix)
        extension = path.with_suffix("").suffix if compression else path.suffix
        return cls(_FORMATS.get(extension), compression)

    @property
    def media_type(self) -> str:
        """The value for Content-Type, without parameters."""
        return _MEDIA_TYPES[self.format] if self.format else _UNKNOWN

    @property
    def generic_name(self) -> str:
        """A file name with the right extensions, to send in place of the real, private one."""
        extensions = {name: extension for extension, name in _COMPRESSIONS.items()}
        return f"contacts.{self.format or 'txt'}{extensions.get(self.compression or '', '')}"
