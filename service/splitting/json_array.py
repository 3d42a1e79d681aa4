"""A file that is one JSON array; also the array inside an envelope."""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from core.errors import MalformedInputError
from core.formats.json import JsonScanner
from core.states import Format
from service.splitting.base import Splitter
from service.splitting.dialect import UTF_8
from service.splitting.part_cutter import PartCutter, Split

_SPACE: Final = b" \t\n\r"
# Raw skips over values without building them, yet checks their grammar.
_decode_raw: Final[Callable[[bytes], list[msgspec.Raw]]] = msgspec.json.Decoder(
    list[msgspec.Raw]
).decode


class ArrayScan:
    """Passes the records of an array on, from behind its ``[``, and notes the parts."""

    def __init__(self, part_bytes: int, max_record_bytes: int, *, offset: int, base: int) -> None:
        """``offset``: where the first byte stands in the body; ``base``: where the object does."""
        self._runs = JsonScanner(
            _decode_raw, msgspec.Raw, max_record_bytes=max_record_bytes, offset=offset
        )
        self.cutter = PartCutter(part_bytes, base=base)

    @property
    def closed(self) -> bool:
        """Whether the ``]`` was seen."""
        return self._runs.closed

    @property
    def rest(self) -> bytes:
        """What was fed behind the ``]``."""
        return self._runs.rest

    @property
    def records(self) -> int:
        """Number of records seen so far."""
        return self._runs.records

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes; yields those up to the last whole record or the ``]``."""
        for run in self._runs.feed(data):
            self.cutter.add(run, self._runs)
            yield run.raw

    def flush(self) -> Iterator[bytes]:
        """Pass on all records that are complete by now."""
        for run in self._runs.flush():
            self.cutter.add(run, self._runs)
            yield run.raw

    def finish(self) -> Iterator[bytes]:
        """Tell that no more bytes come; raises MalformedInputError if the array is not closed."""
        for run in self._runs.close():
            self.cutter.add(run, self._runs)
            yield run.raw
        if not self.closed:
            raise truncated("inside the array of records", self.records or None)


def truncated(where: str, record: int | None = None) -> MalformedInputError:
    """The error for a body that is right as far as it goes, but stops."""
    return MalformedInputError("malformed_json", f"The body ends {where}.", record=record)


class JsonArraySplitter(Splitter):
    """For files: the object is the file, byte for byte."""

    format = Format.JSON

    def __init__(self, part_bytes: int, max_record_bytes: int) -> None:
        super().__init__()
        self._part_bytes = part_bytes
        self._max_record_bytes = max_record_bytes
        self._scan: ArrayScan | None = None
        self._size = 0

    def split(self) -> Split:
        """The file's parts."""
        parts = self._scan.cutter.finish() if self._scan else []
        records = self._scan.records if self._scan else 0
        return Split(self.format, None, self._size, records, parts, {"encoding": UTF_8})

    def _begin(self, bom: bytes) -> Iterator[bytes]:
        self._size = len(bom)
        yield bom

    def _take(self, data: bytes) -> Iterator[bytes]:
        if self._scan is None:
            yield from self._open(data)
        elif self._scan.closed:
            yield self._trailing(data)
        else:
            yield from self._pass(self._scan.feed(data))

    def _open(self, data: bytes) -> Iterator[bytes]:
        text = data.lstrip(_SPACE)
        before = len(data) - len(text)
        self._size += before
        yield data[:before]
        if not text:
            return
        if not text.startswith(b"["):
            raise MalformedInputError(
                "data_not_array",
                "A JSON file must be one array of records, such as "
                '[{"name": "...", "email": "..."}].',
                offset=self._size,
            )
        self._size += 1
        yield b"["
        self._scan = ArrayScan(self._part_bytes, self._max_record_bytes, offset=self._size, base=0)
        yield from self._take(text[1:])

    def _trailing(self, data: bytes) -> bytes:
        garbage = data.lstrip(_SPACE)
        if garbage:
            offset = self._size + len(data) - len(garbage)
            raise MalformedInputError(
                "malformed_json", f"At byte {offset}: nothing may follow the array.", offset=offset
            )
        self._size += len(data)
        return data

    def _finish(self) -> Iterator[bytes]:
        if self._scan is None:
            raise truncated("before the array of records begins")
        yield from self._pass(self._scan.finish())

    def _flush(self) -> Iterator[bytes]:
        if self._scan and not self._scan.closed:
            yield from self._pass(self._scan.flush())

    def _pass(self, stored: Iterator[bytes]) -> Iterator[bytes]:
        was_open = self._scan is not None and not self._scan.closed
        for data in stored:
            self._size += len(data)
            yield data
        if was_open and self._scan and self._scan.closed:
            yield self._trailing(self._scan.rest)

    def _record(self) -> int | None:
        return self._scan.records + 1 if self._scan and not self._scan.closed else None
