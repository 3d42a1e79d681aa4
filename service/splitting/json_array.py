"""A file that is one JSON array; also the array inside an envelope."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, cast

import msgspec

from core.errors import MalformedInputError
from core.formats.base import RecordRun, Span
from core.formats.json import SEPARATION, JsonScanner
from core.reading.plan import ReadingPlan
from core.states import Format
from service.splitting.base import Splitter
from service.splitting.part_cutter import PartCutter, Split
from service.splitting.transcoding import Transcoder

_SPACE: Final = b" \t\n\r"
# Raw skips values without building them, but checks their grammar.
_decode_raw: Final[Callable[[bytes], list[msgspec.Raw]]] = msgspec.json.Decoder(
    list[msgspec.Raw]
).decode


class _RawScanner(JsonScanner[msgspec.Raw]):
    """Finds the ends of records by their sizes, without reading them again."""

    def __init__(self, max_record_bytes: int, offset: int) -> None:
        super().__init__(_decode_raw, msgspec.Raw, max_record_bytes=max_record_bytes, offset=offset)

    def spans(self, run: RecordRun[object]) -> list[Span]:
        """Return where each record of a run starts and ends."""
        spans: list[Span] = []
        start = run.start
        for size in map(len, cast("Sequence[msgspec.Raw]", run.records)):
            spans.append((start, start + size))
            separation = SEPARATION.match(run.raw, start + size - run.offset)
            start = run.offset + separation.end() if separation else run.end
        return spans


class ArraySplitter:
    """Passes on the records of an array, from after its ``[`` up to its ``]``, and cuts parts."""

    def __init__(self, part_bytes: int, max_record_bytes: int, *, offset: int, base: int) -> None:
        """``offset`` is that of the first byte in the body, ``base`` that of the object."""
        self._scanner = _RawScanner(max_record_bytes, offset)
        self.cutter = PartCutter(part_bytes, base=base, are_objects=True)

    @property
    def closed(self) -> bool:
        """Whether the ``]`` was reached."""
        return self._scanner.closed

    @property
    def rest(self) -> bytes:
        """What was fed after the ``]``."""
        return self._scanner.rest

    @property
    def records(self) -> int:
        """Number of records so far."""
        return self._scanner.records

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes; yields those up to the last whole record or the ``]``."""
        return self._pass(self._scanner.feed(data))

    def flush(self) -> Iterator[bytes]:
        """Yield all records that are complete."""
        return self._pass(self._scanner.flush())

    def finish(self) -> Iterator[bytes]:
        """End the input; raises MalformedInputError if the array is not closed."""
        yield from self._pass(self._scanner.close())
        if not self.closed:
            raise truncated("inside the array of records", self.records or None)

    def _pass(self, runs: Iterator[RecordRun[msgspec.Raw]]) -> Iterator[bytes]:
        for run in runs:
            self.cutter.add(run, self._scanner)
            yield run.raw


def truncated(where: str, record: int | None = None) -> MalformedInputError:
    """Return the error of a body that is correct, but ends too early."""
    return MalformedInputError("malformed_json", f"The body ends {where}.", record=record)


class JsonArraySplitter(Splitter):
    """Splits a file; the object is the file, byte for byte."""

    format = Format.JSON

    def __init__(
        self, plan: ReadingPlan, transcoder: Transcoder, part_bytes: int, max_record_bytes: int
    ) -> None:
        super().__init__(plan, transcoder)
        self._part_bytes = part_bytes
        self._max_record_bytes = max_record_bytes
        self._array: ArraySplitter | None = None
        """Set once the ``[`` was reached."""
        self._size = 0

    def split(self) -> Split:
        """Return the parts of the file."""
        cutter = self._array.cutter if self._array else PartCutter(self._part_bytes)
        return self._split(self._size, cutter)

    def _begin(self, bom: bytes) -> Iterator[bytes]:
        self._size = len(bom)
        yield bom

    def _take(self, data: bytes) -> Iterator[bytes]:
        if self._array is None:
            yield from self._take_opening(data)
        elif self._array.closed:
            yield self._trailing_space(data)
        else:
            yield from self._pass(self._array.feed(data))

    def _take_opening(self, data: bytes) -> Iterator[bytes]:
        """Take text up to and after the ``[``."""
        text = data.lstrip(_SPACE)
        space = len(data) - len(text)
        self._size += space
        yield data[:space]
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
        self._array = ArraySplitter(
            self._part_bytes, self._max_record_bytes, offset=self._size, base=0
        )
        yield from self._take(text[1:])

    def _trailing_space(self, data: bytes) -> bytes:
        """Return the text after the ``]``, which must be blank."""
        other = data.lstrip(_SPACE)
        if other:
            offset = self._size + len(data) - len(other)
            raise MalformedInputError(
                "malformed_json", f"At byte {offset}: nothing may follow the array.", offset=offset
            )
        self._size += len(data)
        return data

    def _finish(self) -> Iterator[bytes]:
        if self._array is None:
            raise truncated("before the array of records begins")
        yield from self._pass(self._array.finish())

    def _flush(self) -> Iterator[bytes]:
        if self._array and not self._array.closed:
            yield from self._pass(self._array.flush())

    def _pass(self, stored: Iterator[bytes]) -> Iterator[bytes]:
        was_open = self._array is not None and not self._array.closed
        for data in stored:
            self._size += len(data)
            yield data
        if was_open and self._array and self._array.closed:
            yield self._trailing_space(self._array.rest)

    def _record(self) -> int | None:
        return self._array.records + 1 if self._array and not self._array.closed else None
