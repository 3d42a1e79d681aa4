"""Parses the bytes of a part into records: a parser for each format.

The scanners of ``core.formats``, with which the service has cut the object into parts, find the
records here too, so both agree about where a record begins and ends.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import msgspec

from core.formats.base import RecordRun, RecordScanner
from core.formats.csv import CsvScanner, Row, read_rows
from core.formats.formula_escaping import unescape_formulas
from core.formats.json import JsonScanner
from core.formats.ndjson import NdjsonScanner
from core.models import Layout
from core.states import Format
from tasks.importing.models import PartWork
from core.records.rejection_reasons import (
    NESTED_TOO_DEEPLY,
    NOT_AN_OBJECT,
    WRONG_FIELD_COUNT,
    Reason,
)

MAX_RECORD_BYTES: Final = 4 * 1024 * 1024
"""The highest limit that the service can be set to: a record that it has accepted is parsed."""

_CONTACT_FIELDS: Final = frozenset({"name", "email"})
_MAX_CLOSING_BRACES: Final = 8
"""How many closing braces are tried as the end of an object."""

T = TypeVar("T")
Columns: TypeAlias = tuple[list[Any], list[Any]]
"""Names and e-mails; empty text where there is none."""


class Parser(Protocol[T]):
    """Parses the records of one part."""

    @property
    def scanner(self) -> RecordScanner[T]:
        """Takes the part's bytes and finds the records in them."""
        ...

    def columns(self, records: Sequence[T]) -> Columns | None:
        """All names and all e-mails, not validated; None if a record has an unusual form.

        Then ``fields`` has to be called for each record.
        """
        ...

    def fields(self, record: T) -> tuple[object, object] | Reason:
        """Name and e-mail of a record, not validated, or why it has none."""
        ...

    def texts(self, run: RecordRun[T]) -> Sequence[bytes]:
        """Each record of a run as JSON, as it was sent; slower than finding the run."""
        ...

    def ignored_fields(self, run: RecordRun[T], max_records: int) -> Iterable[str]:
        """Names of fields in the run's first records that are not part of a contact."""
        ...


def parser_for(work: PartWork) -> Parser[Any]:
    """Return a parser for the format of the part's object."""
    if work.format is Format.CSV and work.layout is not None:
        return CsvParser(work.layout, work.part.byte_start)
    if work.format is Format.NDJSON:
        return NdjsonParser(work.part.byte_start)
    return JsonParser(work.part.byte_start)


class Fields(msgspec.Struct, gc=False):
    """The fields of an object that are decoded; msgspec skips all others."""

    name: object = None
    email: object = None


_decode_fields: Final[Callable[[bytes], list[Any]]] = msgspec.json.Decoder(list[Fields]).decode
_decode_field_lines: Final[Callable[[bytes], list[Any]]] = msgspec.json.Decoder(Fields).decode_lines
_decode_keys: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_one: Final = msgspec.json.Decoder(Fields).decode
_decode_raw: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_raw_lines: Final = msgspec.json.Decoder(msgspec.Raw).decode_lines


class _ObjectParser:
    """A record is the fields of an object, or the reason why it is not one."""

    def columns(self, records: Sequence[Fields | Reason]) -> Columns | None:
        """None if a record is not an object."""
        try:
            return (
                ["" if (name := record.name) is None else name for record in records],  # type: ignore[union-attr]
                ["" if (email := record.email) is None else email for record in records],  # type: ignore[union-attr]
            )
        except AttributeError:  # one of them is a Reason
            return None

    def fields(self, record: Fields | Reason) -> tuple[object, object] | Reason:
        """None for a field that is missing or null."""
        return record if isinstance(record, Reason) else (record.name, record.email)


class JsonParser(_ObjectParser):
    """Parses the elements of a JSON array."""

    def __init__(self, offset: int) -> None:
        """``offset`` is the part's first byte in the object."""
        self.scanner: JsonScanner[Fields | Reason] = JsonScanner(
            _decode_run, _decode_record, max_record_bytes=MAX_RECORD_BYTES, offset=offset
        )

    def texts(self, run: RecordRun[Fields | Reason]) -> Sequence[bytes]:
        """Taken from the run without decoding them, or by their spans if that is not possible."""
        try:
            return [bytes(raw) for raw in _decode_raw(b"[%b]" % run.raw[run.lead :])]
        except (msgspec.MsgspecError, RecursionError):
            spans = self.scanner.spans(run)
            return [run.raw[start - run.offset : end - run.offset] for start, end in spans]

    def ignored_fields(self, run: RecordRun[Fields | Reason], max_records: int) -> Iterable[str]:
        """For a single record, the rest of the run is not read again."""
        if max_records == 1:
            return _ignored_in_first_object(run.raw, run.lead)
        return _ignored_in(self.texts(run)[:max_records])


class NdjsonParser(_ObjectParser):
    """Parses lines that are a JSON value each."""

    def __init__(self, offset: int) -> None:
        """``offset`` is the part's first byte in the object."""
        self.scanner: NdjsonScanner[Fields | Reason] = NdjsonScanner(
            _decode_lines, _decode_record, max_record_bytes=MAX_RECORD_BYTES, offset=offset
        )

    def texts(self, run: RecordRun[Fields | Reason]) -> Sequence[bytes]:
        """The lines without surrounding white space."""
        spans = self.scanner.spans(run)
        return [run.raw[start - run.offset : end - run.offset].strip() for start, end in spans]

    def ignored_fields(self, run: RecordRun[Fields | Reason], max_records: int) -> Iterable[str]:
        """Of the first lines, of which some may be blank."""
        return _ignored_in(_first_lines(run.raw, run.lead, max_records))


def _ignored_in(records: Iterable[bytes]) -> Iterator[str]:
    """Names of ignored fields in those of the records that are objects."""
    for record in records:
        yield from _ignored_keys(record) or ()


def _ignored_in_first_object(data: bytes, start: int) -> Iterable[str]:
    """Names of ignored fields in the object that begins at ``start``.

    Its end is searched among the next closing braces; an object with more of them has no names.
    """
    end = start
    for _ in range(_MAX_CLOSING_BRACES):
        end = data.find(b"}", end) + 1
        if not end:
            break
        if (keys := _ignored_keys(data[start:end])) is not None:
            return keys
    return ()


def _ignored_keys(record: bytes) -> list[str] | None:
    """None if the record is not an object."""
    try:
        return [key for key in _decode_keys(record) if key not in _CONTACT_FIELDS]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _first_lines(data: bytes, start: int, count: int) -> Iterator[bytes]:
    for _ in range(count):
        end = data.find(b"\n", start) + 1 or len(data)
        yield data[start:end]
        start = end


def _decode_lines(data: bytes) -> list[Fields | Reason]:
    try:
        return _decode_field_lines(data)
    except (msgspec.ValidationError, RecursionError):
        return [_decode_record(bytes(raw)) for raw in _decode_raw_lines(data)]


def _decode_run(data: bytes) -> list[Fields | Reason]:
    try:
        return _decode_fields(data)
    except (msgspec.ValidationError, RecursionError):
        # A record is not an object, has a huge number, or is nested deeply: decode one by one.
        return [_decode_record(bytes(raw)) for raw in _decode_raw(data)]


def _decode_record(data: bytes) -> Fields | Reason:
    try:
        return _decode_one(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decode_leniently(data)


def _decode_leniently(data: bytes) -> Fields | Reason:
    """Decode JSON that msgspec rejects: lone surrogates, numbers of any size."""
    try:
        # Numbers are not used, and converting a million digits would take minutes.
        value = json.loads(data.decode("utf-8", "replace"), parse_int=len, parse_float=len)
    except RecursionError:
        return NESTED_TOO_DEEPLY
    except json.JSONDecodeError:
        return NOT_AN_OBJECT
    if not isinstance(value, dict):
        return NOT_AN_OBJECT
    return Fields(name=value.get("name"), email=value.get("email"))


class CsvParser:
    """Parses rows; a record is the list of a row's fields."""

    def __init__(self, layout: Layout, offset: int) -> None:
        """``offset`` is the part's first byte in the object."""
        self.scanner: CsvScanner[Row] = CsvScanner(
            read_rows,
            max_record_bytes=MAX_RECORD_BYTES,
            delimiter=layout.delimiter,
            offset=offset,
        )
        self._layout = layout
        positions = (layout.first_name, layout.last_name)
        self._name_parts = [position for position in positions if position is not None]

    def columns(self, records: Sequence[Row]) -> Columns | None:
        """None if a row has more or fewer fields than the header."""
        layout = self._layout
        if set(map(len, records)) != {layout.fields}:
            return None
        emails = self._column(records, layout.email)
        if self._name_parts:
            return [self._full_name(record) for record in records], emails
        return self._column(records, layout.name), emails

    def fields(self, record: Row) -> tuple[object, object] | Reason:
        """None for a field that the header does not have."""
        layout = self._layout
        if len(record) != layout.fields:
            return WRONG_FIELD_COUNT
        email = self._field(record, layout.email)
        if self._name_parts:
            return self._full_name(record), email
        return self._field(record, layout.name), email

    def texts(self, run: RecordRun[Row]) -> Sequence[bytes]:
        """The fields of each row as a JSON array, whatever the delimiter in the file is."""
        return [msgspec.json.encode(row) for row in run.records]

    def ignored_fields(self, run: RecordRun[Row], max_records: int) -> Iterable[str]:  # noqa: ARG002
        """Always empty: the service has read the header."""
        return ()

    def _full_name(self, row: Row) -> str:
        """First and last name, in a file that has them in two columns."""
        parts = (self._field(row, position) or "" for position in self._name_parts)
        return " ".join(part.strip() for part in parts).strip()

    def _column(self, rows: Sequence[Row], position: int | None) -> list[str]:
        if position is None:
            return [""] * len(rows)
        column = [row[position] for row in rows]
        return list(map(unescape_formulas, column)) if self._layout.formulas_escaped else column

    def _field(self, row: Row, position: int | None) -> str | None:
        if position is None:
            return None
        return unescape_formulas(row[position]) if self._layout.formulas_escaped else row[position]
