"""A CSV file: rows above the header, the header, then records. The object is the file."""

from collections.abc import Iterator

from core.errors import MalformedInputError
from core.formats.base import RecordRun
from core.formats.csv import CsvScanner, count_rows
from core.formats.csv_dialect import CsvDialect
from core.reading.plan import ReadingPlan
from core.states import Format
from service.splitting.base import Splitter
from service.splitting.part_cutter import PartCutter, Split
from service.splitting.transcoding import Transcoder


class CsvSplitter(Splitter):
    """Cuts the parts between rows, after the header."""

    format = Format.CSV

    def __init__(
        self, plan: ReadingPlan, transcoder: Transcoder, part_bytes: int, max_record_bytes: int
    ) -> None:
        super().__init__(plan, transcoder)
        self._cutter = PartCutter(part_bytes)
        self._max_record_bytes = max_record_bytes
        self._rows_to_skip = plan.skipped_rows + plan.has_header
        self._scanner = self._scanner_from(0)
        self._size = 0

    def split(self) -> Split:
        """Return the parts of the file; blank lines at its end belong to the last one."""
        return self._split(self._size, self._cutter, self._size)

    def _scanner_from(self, offset: int) -> CsvScanner[int]:
        dialect = self._plan.csv or CsvDialect()
        return CsvScanner(
            count_rows,
            max_record_bytes=self._max_record_bytes,
            dialect=dialect,
            offset=offset,
            records=-self._rows_to_skip,
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
        if self._rows_to_skip:
            raise MalformedInputError(
                "csv_header_unusable", "The file is empty: its first row must name the columns."
            )

    def _pass(self, runs: Iterator[RecordRun[int]]) -> Iterator[bytes]:
        for run in runs:
            if self._rows_to_skip and run.records:
                spans = self._scanner.spans(run)
                self._cutter.add_records(spans[self._rows_to_skip :])
                self._rows_to_skip -= min(self._rows_to_skip, len(spans))
            else:
                self._cutter.add(run, self._scanner)
            self._size = run.end
            yield run.raw

    def _record(self) -> int | None:
        return max(self._scanner.records + 1, 0) or None
