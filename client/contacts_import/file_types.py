"""What a file is, as its name tells."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, Self

_FORMATS: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
}
_ENCODINGS: Final = {".gz": "gzip", ".zst": "zstd"}
_MEDIA_TYPES: Final = {
    "csv": "text/csv",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A format, and how the file is compressed."""

    format: str
    """``csv``, ``json`` or ``ndjson``."""
    encoding: str | None
    """``gzip``, ``zstd`` or None, as Content-Encoding has it."""

    @classmethod
    def of(cls, name: str) -> Self | None:
        """None if the name tells nothing."""
        path = PurePath(name.lower())
        encoding = _ENCODINGS.get(path.suffix)
        ending = path.with_suffix("").suffix if encoding else path.suffix
        return cls(_FORMATS[ending], encoding) if ending in _FORMATS else None

    @property
    def media_type(self) -> str:
        """As Content-Type has it."""
        return _MEDIA_TYPES[self.format]

    @property
    def name(self) -> str:
        """A name that tells it, for a form: the real one is nobody's business."""
        endings = {encoding: ending for ending, encoding in _ENCODINGS.items()}
        return f"contacts.{self.format}{endings.get(self.encoding or '', '')}"
