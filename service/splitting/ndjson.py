"""Newline-delimited JSON: the object is the file, byte for byte, and each line is a record.

A line that is not JSON is an error, as it is in an array: most often a record was written over
several lines, or the text was cut, and then none of the record numbers after it would be right. A
line with another JSON value than an object is a record, and becomes a rejection.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from core.errors import MalformedInputError
from core.formats.base import RecordRun
from core.formats.ndjson import NdjsonScanner
from core.reading.plan import ReadingPlan
from core.states import Format
from service.splitting.base import Splitter
from service.splitting.part_cutter import PartCutter, Split
from service.splitting.transcoding import Transcoder

# Raw skips values without building them, but checks their grammar.
_decode_lines: Final[Callable[[bytes], list[msgspec.Raw]]] = msgspec.json.Decoder(
    msgspec.Raw
).decode_lines


class NdjsonSplitter(Splitter):
    """Checks each line and cuts the parts between lines."""

    format = Format.NDJSON

    def __init__(
        self, plan: ReadingPlan, transcoder: Transcoder, part_bytes: int, max_record_bytes: int
    ) -> None:
        super().__init__(plan, transcoder)
        self._cutter = PartCutter(part_bytes, are_objects=True)
        self._max_record_bytes = max_record_bytes
        self._scanner = self._scanner_from(0)
        self._size = 0

    def split(self) -> Split:
        """Return the parts of the file."""
        return self._split(self._size, self._cutter)

    def _scanner_from(self, offset: int) -> NdjsonScanner[msgspec.Raw]:
        return NdjsonScanner(
            _decode_lines, msgspec.Raw, max_record_bytes=self._max_record_bytes, offset=offset
        )

    def _begin(self, bom: bytes) -> Iterator[bytes]:
        self._size = len(bom)
        self._scanner = self._scanner_from(len(bom))
        yield bom

    def _take(self, data: bytes) -> Iterator[bytes]:
        yield from self._pass(self._scanner.feed(data))

    def _flush(self) -> Iterator[bytes]:
        yield from self._pass(self._scanner.flush())

    def _finish(self) -> Iterator[bytes]:
        yield from self._pass(self._scanner.close())
        if self._scanner.records == 0:
            raise MalformedInputError("data_missing", "There is no line with a record.")

    def _pass(self, runs: Iterator[RecordRun[msgspec.Raw]]) -> Iterator[bytes]:
        for run in runs:
            self._cutter.add(run, self._scanner)
            self._size = run.end
            yield run.raw

    def _record(self) -> int | None:
        return self._scanner.records + 1
