"""Newline-delimited JSON: the object is what came, byte for byte; each line is a record.

A line that is no JSON is refused at once, as it is in an array: most often a record was written
over several lines then, or the text was cut, and none of the numbers behind it would be right. A
line that is some other value than an object is a record, and becomes a rejection.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from core.errors import MalformedInputError
from core.formats.base import RecordRun
from core.formats.ndjson import NdjsonScanner
from core.states import Format
from service.splitting.base import Splitter
from service.splitting.dialect import UTF_8
from service.splitting.part_cutter import PartCutter, Split

# Raw skips over values without building them, yet checks their grammar.
_decode_lines: Final[Callable[[bytes], list[msgspec.Raw]]] = msgspec.json.Decoder(
    msgspec.Raw
).decode_lines


class NdjsonSplitter(Splitter):
    """Checks each line and notes where the parts end."""

    format = Format.NDJSON

    def __init__(self, part_bytes: int, max_record_bytes: int) -> None:
        super().__init__()
        self._cutter = PartCutter(part_bytes)
        self._max_record_bytes = max_record_bytes
        self._runs = self._runs_from(0)
        self._size = 0

    def split(self) -> Split:
        """The parts, cut between lines."""
        parts, records = self._cutter.finish(), self._cutter.records
        return Split(self.format, None, self._size, records, parts, {"encoding": UTF_8})

    def _runs_from(self, offset: int) -> NdjsonScanner[msgspec.Raw]:
        return NdjsonScanner(
            _decode_lines, msgspec.Raw, max_record_bytes=self._max_record_bytes, offset=offset
        )

    def _begin(self, bom: bytes) -> Iterator[bytes]:
        self._size = len(bom)
        self._runs = self._runs_from(len(bom))
        yield bom

    def _take(self, data: bytes) -> Iterator[bytes]:
        yield from self._pass(self._runs.feed(data))

    def _flush(self) -> Iterator[bytes]:
        yield from self._pass(self._runs.flush())

    def _finish(self) -> Iterator[bytes]:
        yield from self._pass(self._runs.close())
        if self._runs.records == 0:
            raise MalformedInputError("data_missing", "There is no line with a record.")

    def _pass(self, found: Iterator[RecordRun[msgspec.Raw]]) -> Iterator[bytes]:
        for run in found:
            self._cutter.add(run, self._runs)
            self._size = run.end
            yield run.raw

    def _record(self) -> int | None:
        return self._runs.records + 1
