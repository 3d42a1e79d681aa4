"""Stored objects with the rejections of a part that the table does not keep.

Each object is a Zstandard stream of JSON lines, one for each rejection, in the order of their
records. They are in a folder beside the import's own object, and their names start with the part's
number, so that those of one part can be listed.
"""

from collections.abc import Iterable, Iterator
from typing import Final
from uuid import UUID

import msgspec

from core.ids import job_id, parse_job_id
from core.zstandard import zstd

CONTENT_TYPE: Final = "application/zstd"
"""RFC 8878, section 7.1."""
_FOLDER_SUFFIX: Final = ".rejections"
_LEVEL: Final = 1
"""Rejections of one kind are so similar that a higher level costs more than it saves."""
_STEP_BYTES: Final = 256 * 1024


class Rejection(msgspec.Struct, frozen=True, gc=False):
    """A record that is not a valid contact, as it is kept."""

    record: int
    """Its number within the import, from 1."""
    code: str
    message: str
    content: str
    """The record as the client sent it, as JSON; only its start if it is long."""


_encode_lines: Final = msgspec.json.Encoder().encode_lines
_decode_lines: Final = msgspec.json.Decoder(Rejection).decode_lines


def rejections_folder(import_id: UUID) -> str:
    """Return the folder of an import's rejections."""
    return f"{job_id(import_id)}{_FOLDER_SUFFIX}"


def import_of_folder(folder: str) -> UUID | None:
    """Return the import whose rejections a folder holds; None for any other folder."""
    job, _, suffix = folder.rpartition(".")
    return parse_job_id(job) if f".{suffix}" == _FOLDER_SUFFIX else None


def part_prefix(part: int) -> str:
    """Return the start of the names of a part's objects."""
    return f"{part:06d}-"


def object_name(part: int, first_record: int, attempt: UUID) -> str:
    """Return the name within the folder of an object that only this attempt writes."""
    return f"{part_prefix(part)}{first_record:09x}-{attempt}.ndjson.zst"


class RejectionWriter:
    """Compresses the rejections of one object; keeps only their compressed bytes in memory."""

    def __init__(self) -> None:
        self._compressor = zstd.ZstdCompressor(level=_LEVEL)
        self._compressed: list[bytes] = []
        self.size = 0
        """Bytes before compression."""

    def add(self, rejections: Iterable[Rejection]) -> None:
        """Append rejections."""
        lines = _encode_lines(rejections)
        self.size += len(lines)
        self._compressed.append(self._compressor.compress(lines))

    def close(self) -> bytes:
        """Return the whole object; nothing may be added after that."""
        return b"".join((*self._compressed, self._compressor.flush()))


class RejectionReader:
    """Decompresses the rejections of one object as its bytes arrive, 256 KiB at a time."""

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
            raise ValueError("the object with rejections is truncated")
