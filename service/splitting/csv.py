"""A CSV file: header row, then records. The object is the file, byte for byte, if that is UTF-8."""

from collections.abc import Iterator
from typing import Any

from core.errors import MalformedInputError
from core.field_names import MAX_KEPT_NAMES, FieldNames, storable_name
from core.formats.base import RecordRun
from core.formats.csv import CsvScanner, count_rows, read_rows
from core.models import Layout
from core.states import Format
from service.splitting.base import Splitter
from service.splitting.delimiter import DelimiterFinder, Start
from service.splitting.dialect import UTF_8, Dialect
from service.splitting.header_mapping import read_layout, unusable
from service.splitting.part_cutter import PartCutter, Split
from service.splitting.transcoding import Transcoder

_AS_IT_IS: Dialect = Dialect()


class CsvSplitter(Splitter):
    """Finds how the file is written, the columns in the header, and the ends of the rows."""

    format = Format.CSV

    def __init__(
        self, part_bytes: int, max_record_bytes: int, dialect: Dialect = _AS_IT_IS
    ) -> None:
        super().__init__()
        self._cutter = PartCutter(part_bytes)
        self._max_record_bytes = max_record_bytes
        self._dialect = dialect
        self._text = Transcoder(dialect.charset)
        self._text_bytes = 0
        self._finder = DelimiterFinder(dialect)
        self._runs: CsvScanner[int] | None = None
        self._layout: Layout | None = None
        self._header: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """See Splitter; the bytes may be of another encoding."""
        yield from self._feed_text(*self._text.read(data))

    def close(self) -> Iterator[bytes]:
        """See Splitter."""
        yield from self._feed_text(*self._text.read(b"", final=True))
        yield from super().close()

    def split(self) -> Split:
        """The file's parts; blank lines at its end belong to the last one."""
        return Split(
            self.format,
            self._layout,
            self._size,
            self._cutter.records,
            self._cutter.finish(self._size),
            self._detected(),
            self._ignored(),
        )

    def _feed_text(self, text: bytes, wrong: bool) -> Iterator[bytes]:
        self._text_bytes += len(text)
        yield from self._feed_utf8(text)
        if wrong:
            yield from self._flush()
            raise self._no_text()

    def _begin(self, bom: bytes) -> Iterator[bytes]:
        self._size = len(bom)
        yield bom

    def _take(self, data: bytes) -> Iterator[bytes]:
        if self._runs is None:
            yield from self._start(self._finder.feed(data))
        else:
            yield from self._pass(self._runs, self._runs.feed(data))

    def _start(self, start: Start | None) -> Iterator[bytes]:
        if start is None:
            return
        self._size += len(start.sep_line)
        self._runs = CsvScanner(
            count_rows,
            max_record_bytes=self._max_record_bytes,
            delimiter=start.delimiter,
            offset=self._size,
            records=-1,
        )
        yield start.sep_line
        yield from self._take(start.rest)

    def _finish(self) -> Iterator[bytes]:
        if self._runs is None:
            yield from self._start(self._finder.close())
        if self._runs is not None:
            yield from self._pass(self._runs, self._runs.close())
        if self._layout is None:
            raise unusable("The file is empty: its first line must name the columns.")

    def _flush(self) -> Iterator[bytes]:
        if self._runs is None:
            yield from self._start(self._finder.close())
        if self._runs is not None:
            yield from self._pass(self._runs, self._runs.flush())

    def _pass(self, runs: CsvScanner[int], found: Iterator[RecordRun[int]]) -> Iterator[bytes]:
        for run in found:
            if self._layout is None and run.records:
                self._read_header(run, runs)
            else:
                self._cutter.add(run, runs)
            self._size = run.end
            yield run.raw

    def _read_header(self, run: RecordRun[int], runs: CsvScanner[int]) -> None:
        (start, end), *others = runs.spans(run)
        delimiter = runs.delimiter
        rows, _ = read_rows(run.raw[start - run.offset : end - run.offset], delimiter)
        self._header = rows[0] if rows else []
        self._layout = read_layout(self._header, self._dialect.mapping, delimiter)
        for span in others:
            self._cutter.add_record(*span)

    def _record(self) -> int | None:
        return max(self._runs.records + 1, 0) or None if self._runs else None

    def _detected(self) -> dict[str, Any]:
        """The encoding, and what the header has told."""
        found = self._layout.columns() if self._layout else {}
        return {
            "encoding": self._text.encoding,
            "delimiter": self._layout.delimiter if self._layout else None,
            "header": [storable_name(name) for name in self._header[:MAX_KEPT_NAMES]],
            "mapping": {field: storable_name(self._header[at]) for field, at in found.items()},
        }

    def _ignored(self) -> list[str]:
        used = set(self._layout.columns().values()) if self._layout else set()
        return FieldNames(name for at, name in enumerate(self._header) if at not in used).to_json()

    def _no_text(self) -> MalformedInputError:
        """For text that is not UTF-8, of which ``offset`` counts the bytes as UTF-8."""
        record, encoding = self._record(), self._text.encoding
        where = f"At byte {self._text_bytes}" + (f", record {record}" if record else "")
        return MalformedInputError(
            "invalid_text",
            f"{where}: this is no {encoding}, or not for sure. Name the encoding in the content "
            f"type, such as text/csv; charset=windows-1252, or save the file as {UTF_8}.",
            offset=self._text_bytes,
            record=record,
        )
