"""Objects that hold the rejections of a part beyond those that the table keeps.

Each is a Zstandard stream of lines of JSON, one for each rejection, in the order of their records.
They are in a folder beside the import's own object, and their names begin with the part's number,
so that those of one part can be listed.
"""

from collections.abc import Iterable, Iterator
from typing import Final
from uuid import UUID

import msgspec

from core.ids import job_id, parse_job_id
from core.zstandard import zstd

CONTENT_TYPE: Final = "application/zstd"
"""RFC 8878, 7.1."""
_ENDING: Final = ".rejections"
_LEVEL: Final = 1
"""Rejections of one kind are so alike that a higher one costs more than it saves."""
_STEP_BYTES: Final = 256 * 1024


class Rejection(msgspec.Struct, frozen=True, gc=False):
    """A record that is not a contact, as it is kept."""

    record: int
    """Its number within the import, from 1."""
    code: str
    message: str
    content: str
    """The record as it came, as JSON; its beginning if it is long."""


_encode_lines: Final = msgspec.json.Encoder().encode_lines
_decode_lines: Final = msgspec.json.Decoder(Rejection).decode_lines


def folder_of(import_id: UUID) -> str:
    """The folder of an import's rejections."""
    return f"{job_id(import_id)}{_ENDING}"


def import_of(folder: str) -> UUID | None:
    """The import whose rejections a folder holds; None if it is another one's folder."""
    job, _, ending = folder.rpartition(".")
    return parse_job_id(job) if f".{ending}" == _ENDING else None


def prefix_of(part: int) -> str:
    """What the names of a part's objects begin with."""
    return f"{part:06d}-"


def name_of(part: int, first_record: int, attempt: UUID) -> str:
    """The name within the folder of an object that an attempt writes; no other one writes it."""
    return f"{prefix_of(part)}{first_record:09x}-{attempt}.ndjson.zst"


class RejectionWriter:
    """Packs the rejections of one object, and remembers no more than their packed bytes."""

    def __init__(self) -> None:
        self._compressor = zstd.ZstdCompressor(level=_LEVEL)
        self._packed: list[bytes] = []
        self.size = 0
        """Bytes before packing."""

    def add(self, rejections: Iterable[Rejection]) -> None:
        """Append some."""
        lines = _encode_lines(rejections)
        self.size += len(lines)
        self._packed.append(self._compressor.compress(lines))

    def close(self) -> bytes:
        """The whole object; nothing may be added after that."""
        return b"".join((*self._packed, self._compressor.flush()))


class RejectionReader:
    """Unpacks the rejections of one object as its bytes come, a quarter of a megabyte at a time."""

    def __init__(self) -> None:
        self._decompressor = zstd.ZstdDecompressor()
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[list[Rejection]]:
        """Take the next bytes; yields the rejections that they complete.

        Raises ValueError if this is not such an object.
        """
        while not self._decompressor.eof:
            try:
                lines = self._decompressor.decompress(data, _STEP_BYTES)
            except zstd.ZstdError as error:
                raise ValueError("the object with rejections is damaged") from error
            whole, end, rest = (self._rest + lines).rpartition(b"\n")
            self._rest = rest
            if end:
                yield _decode_lines(whole)
            if self._decompressor.needs_input or not (lines or data):
                return
            data = b""

    def close(self) -> None:
        """Raise ValueError if the object's end is missing."""
        if not self._decompressor.eof or self._rest:
            raise ValueError("the object with rejections ends too early")
