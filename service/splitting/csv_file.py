"""A CSV file: header row, then records. The object is the file, byte for byte."""

import re
from collections.abc import Iterator
from typing import Final

from config.errors import MalformedInput
from config.formats.csv_runs import CsvRuns, count_rows, read_rows
from config.formats.runs import Run
from config.model import Layout
from config.states import Format
from service.splitting.parts import PartCutter, Split
from service.splitting.splitter import Splitter

NAME_HEADERS: Final = frozenset(
    {"name", "fullname", "contactname", "contact", "displayname", "customername", "customer"}
)
EMAIL_HEADERS: Final = frozenset(
    {"email", "mail", "emailaddress", "mailaddress", "emailaddr", "contactemail"}
)
MAX_COLUMNS: Final = 16_384
"""As many as a spreadsheet can have."""
_KEPT_COLUMNS: Final = 1000
_KEPT_CHARACTERS: Final = 16_384
"""Of a header: each worker gets it with each part."""
_BETWEEN_WORDS: Final = re.compile(r"[\s_.-]+")


class CsvSplitter(Splitter):
    """Finds the columns in the header and the ends of the rows behind it."""

    format = Format.CSV

    def __init__(self, part_bytes: int, max_record_bytes: int) -> None:
        super().__init__()
        self._cutter = PartCutter(part_bytes)
        self._max_record_bytes = max_record_bytes
        self._runs = CsvRuns(count_rows, max_record_bytes=max_record_bytes, records=-1)
        self._layout: Layout | None = None
        self._size = 0

    def split(self) -> Split:
        """The file's parts; blank lines at its end belong to the last one."""
        parts = self._cutter.finish(self._size)
        return Split(self.format, self._layout, self._size, self._cutter.records, parts)

    def _begin(self, bom: bytes) -> Iterator[bytes]:
        self._size = len(bom)
        self._runs = CsvRuns(
            count_rows, max_record_bytes=self._max_record_bytes, offset=len(bom), records=-1
        )
        yield bom

    def _take(self, data: bytes) -> Iterator[bytes]:
        for run in self._runs.feed(data):
            yield self._pass(run)

    def _finish(self) -> Iterator[bytes]:
        for run in self._runs.close():
            yield self._pass(run)
        if self._layout is None:
            raise _unusable("The file is empty: its first line must name the columns.")

    def _flush(self) -> Iterator[bytes]:
        for run in self._runs.flush():
            yield self._pass(run)

    def _pass(self, run: Run[int]) -> bytes:
        if self._layout is None and run.records:
            self._read_header(run)
        else:
            self._cutter.add(run, self._runs)
        self._size = run.end
        return run.raw

    def _read_header(self, run: Run[int]) -> None:
        (start, end), *others = self._runs.spans(run)
        rows = read_rows(run.raw[start - run.offset : end - run.offset])
        self._layout = read_layout(rows[0] if rows else [])
        for span in others:
            self._cutter.add_record(*span)

    def _record(self) -> int | None:
        return max(self._runs.records + 1, 0) or None


def read_layout(header: list[str]) -> Layout:
    """Where name and email stand in a header row; of two such columns the first one counts.

    Raises MalformedInput (``csv_header_unusable``) if there is neither, or too many columns.
    """
    if len(header) > MAX_COLUMNS:
        raise _unusable(f"There are more than {MAX_COLUMNS} columns.")
    keys = [_BETWEEN_WORDS.sub("", field).casefold() for field in header]
    layout = Layout(
        fields=len(header),
        name=_first(keys, NAME_HEADERS),
        email=_first(keys, EMAIL_HEADERS),
        header=_kept(header),
    )
    if layout.name is None and layout.email is None:
        shown = ", ".join(field[:40] for field in header[:10])
        hint = " Fields are separated by commas here." if len(header) == 1 else ""
        raise _unusable(
            f"None of the columns is a name or an email: {shown!r}. The first line must name the "
            f"columns, one of them 'name' or 'email'.{hint}"
        )
    return layout


def _first(keys: list[str], wanted: frozenset[str]) -> int | None:
    return next((at for at, key in enumerate(keys) if key in wanted), None)


def _kept(header: list[str]) -> tuple[str, ...]:
    """The names for those who read the rejections; all of them or none."""
    if len(header) > _KEPT_COLUMNS or sum(map(len, header)) > _KEPT_CHARACTERS:
        return ()
    return tuple(name.replace("\0", "\ufffd") for name in header)


def _unusable(detail: str) -> MalformedInput:
    return MalformedInput("csv_header_unusable", detail)
