"""A CSV file: a header row, then records. The object is the file, transcoded to UTF-8."""

from collections.abc import Iterator
from typing import Any, Final

from core.errors import MalformedInputError
from core.field_names import MAX_KEPT_NAMES, FieldNames, storable_name
from core.formats.base import RecordRun
from core.formats.csv import CsvScanner, count_rows, read_rows
from core.models import Layout
from core.states import Format
from service.splitting.base import Splitter
from service.splitting.delimiter import DelimiterDetector, Start
from service.splitting.dialect import UTF_8, Dialect
from service.splitting.header_mapping import read_layout, unusable_header
from service.splitting.part_cutter import PartCutter, Split
from service.splitting.transcoding import Transcoder

_DETECTED: Final = Dialect()


class CsvSplitter(Splitter):
    """Detects encoding, delimiter and columns, and cuts the parts between rows."""

    format = Format.CSV

    def __init__(
        self, part_bytes: int, max_record_bytes: int, dialect: Dialect = _DETECTED
    ) -> None:
        super().__init__()
        self._cutter = PartCutter(part_bytes)
        self._max_record_bytes = max_record_bytes
        self._dialect = dialect
        self._transcoder = Transcoder(dialect.charset)
        self._text_bytes = 0
        self._detector = DelimiterDetector(dialect)
        self._scanner: CsvScanner[int] | None = None
        """Set once the delimiter is known."""
        self._header: list[str] = []
        self._layout: Layout | None = None
        """Set once the header was read."""
        self._size = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next piece, in any supported encoding; yields bytes of the object, in UTF-8."""
        yield from self._feed_text(*self._transcoder.read(data))

    def close(self) -> Iterator[bytes]:
        """End the file; yields the last bytes of the object."""
        yield from self._feed_text(*self._transcoder.read(b"", final=True))
        yield from super().close()

    def split(self) -> Split:
        """Return the parts of the file; blank lines at its end belong to the last one."""
        columns = self._layout.columns() if self._layout else {}
        used = set(columns.values())
        detected: dict[str, Any] = {
            "encoding": self._transcoder.encoding,
            "delimiter": self._layout.delimiter if self._layout else None,
            "header": [storable_name(name) for name in self._header[:MAX_KEPT_NAMES]],
            "mapping": {field: storable_name(self._header[at]) for field, at in columns.items()},
        }
        ignored = FieldNames(name for at, name in enumerate(self._header) if at not in used)
        return Split(
            self.format,
            self._layout,
            self._size,
            self._cutter.records,
            self._cutter.finish(self._size),
            detected,
            ignored.to_json(),
        )

    def _feed_text(self, text: bytes, is_invalid: bool) -> Iterator[bytes]:
        self._text_bytes += len(text)
        yield from self._feed_utf8(text)
        if is_invalid:
            yield from self._flush()
            raise self._invalid_text()

    def _begin(self, bom: bytes) -> Iterator[bytes]:
        self._size = len(bom)
        yield bom

    def _take(self, data: bytes) -> Iterator[bytes]:
        if self._scanner is None:
            yield from self._start(self._detector.feed(data))
        else:
            yield from self._pass(self._scanner, self._scanner.feed(data))

    def _start(self, start: Start | None) -> Iterator[bytes]:
        """Begin to scan rows, once the delimiter is known."""
        if start is None:
            return
        self._size += len(start.sep_line)
        self._scanner = CsvScanner(
            count_rows,
            max_record_bytes=self._max_record_bytes,
            delimiter=start.delimiter,
            offset=self._size,
            records=-1,
        )
        yield start.sep_line
        yield from self._take(start.rest)

    def _finish(self) -> Iterator[bytes]:
        if self._scanner is None:
            yield from self._start(self._detector.close())
        if self._scanner is not None:
            yield from self._pass(self._scanner, self._scanner.close())
        if self._layout is None:
            raise unusable_header("The file is empty: its first line must name the columns.")

    def _flush(self) -> Iterator[bytes]:
        if self._scanner is None:
            yield from self._start(self._detector.close())
        if self._scanner is not None:
            yield from self._pass(self._scanner, self._scanner.flush())

    def _pass(self, scanner: CsvScanner[int], runs: Iterator[RecordRun[int]]) -> Iterator[bytes]:
        for run in runs:
            if self._layout is None and run.records:
                self._read_header(run, scanner)
            else:
                self._cutter.add(run, scanner)
            self._size = run.end
            yield run.raw

    def _read_header(self, run: RecordRun[int], scanner: CsvScanner[int]) -> None:
        (start, end), *others = scanner.spans(run)
        delimiter = scanner.delimiter
        rows, _ = read_rows(run.raw[start - run.offset : end - run.offset], delimiter)
        self._header = rows[0] if rows else []
        self._layout = read_layout(self._header, self._dialect.mapping, delimiter)
        for span in others:
            self._cutter.add_record(*span)

    def _record(self) -> int | None:
        return max(self._scanner.records + 1, 0) or None if self._scanner else None

    def _invalid_text(self) -> MalformedInputError:
        """Return the error of text that is not in its encoding; ``offset`` is that of its UTF-8."""
        record, encoding = self._record(), self._transcoder.encoding
        where = f"At byte {self._text_bytes}" + (f", record {record}" if record else "")
        return MalformedInputError(
            "invalid_text",
            f"{where}: this is not {encoding}, or not certainly. Name the encoding in the content "
            f"type, such as text/csv; charset=windows-1252, or save the file as {UTF_8}.",
            offset=self._text_bytes,
            record=record,
        )
