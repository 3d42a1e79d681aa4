"""Bytes of a part to records, with the very code that the service cut the parts with."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import msgspec

from core.formats.base import RecordRun, RecordScanner
from core.formats.csv import CsvScanner, Row, read_rows
from core.formats.json import JsonScanner
from core.formats.ndjson import NdjsonScanner
from core.formats.spreadsheet import unescape_formulas
from core.models import Layout
from core.states import Format
from tasks.importing.models import PartWork
from tasks.importing.rejection_reasons import (
    NESTED_TOO_DEEPLY,
    NOT_AN_OBJECT,
    WRONG_FIELD_COUNT,
    Reason,
)
from tasks.importing.validation import RecordRejectedError

_FIELDS: Final = frozenset({"name", "email"})
_CANDIDATES: Final = 8
"""Closing braces at which a record is thought to end, to see which fields it has."""
MAX_RECORD_BYTES: Final = 4 * 1024 * 1024
"""The most that the service may be set to take: what it took is not refused here."""

T = TypeVar("T")
Columns: TypeAlias = tuple[list[Any], list[Any]]
"""Names and e-mails; empty text where there is none."""


class Parser(Protocol[T]):
    """The records of one part: where they are, what they say, how they were written."""

    @property
    def runs(self) -> RecordScanner[T]:
        """Takes the part's bytes and finds the records in them."""
        ...

    def columns(self, records: Sequence[T]) -> Columns | None:
        """All names and all e-mails, unchecked; None if a record is not of the usual kind."""
        ...

    def fields(self, record: T) -> tuple[object, object]:
        """Name and e-mail as they stand in the record, unchecked; raises RecordRejectedError."""
        ...

    def texts(self, run: RecordRun[T]) -> Sequence[bytes]:
        """Each record of a run as it came, as JSON; slower than finding the run."""
        ...

    def unknown(self, run: RecordRun[T], most: int) -> Iterable[str]:
        """Names of fields that a contact does not have, in so many of the run's first records."""
        ...


def parser_for(work: PartWork) -> Parser[Any]:
    """A parser for the bytes of this part."""
    if work.format is Format.CSV and work.layout is not None:
        return CsvParser(work.layout, work.part.byte_start)
    if work.format is Format.NDJSON:
        return NdjsonParser(work.part.byte_start)
    return JsonParser(work.part.byte_start)


class Fields(msgspec.Struct, gc=False):
    """What is looked at in an object; all other keys are skipped without being kept."""

    name: object = None
    email: object = None


_decode_fields: Final[Callable[[bytes], list[Any]]] = msgspec.json.Decoder(list[Fields]).decode
_decode_field_lines: Final[Callable[[bytes], list[Any]]] = msgspec.json.Decoder(Fields).decode_lines
_decode_keys: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_one: Final = msgspec.json.Decoder(Fields).decode
_decode_raw: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_raw_lines: Final = msgspec.json.Decoder(msgspec.Raw).decode_lines


class _ObjectParser:
    """A record is an object, or the reason why it is none."""

    def columns(self, records: Sequence[Fields | Reason]) -> Columns | None:
        """See Parser."""
        try:
            return (
                ["" if (name := record.name) is None else name for record in records],  # type: ignore[union-attr]
                ["" if (email := record.email) is None else email for record in records],  # type: ignore[union-attr]
            )
        except AttributeError:  # one of them is a Reason
            return None

    def fields(self, record: Fields | Reason) -> tuple[object, object]:
        """See Parser."""
        if isinstance(record, Reason):
            raise RecordRejectedError(record)
        return record.name, record.email


class JsonParser(_ObjectParser):
    """For the records of an array."""

    def __init__(self, offset: int) -> None:
        """``offset`` is where the part begins in the object, in bytes."""
        self.runs: JsonScanner[Fields | Reason] = JsonScanner(
            _decode_run, _decode_record, max_record_bytes=MAX_RECORD_BYTES, offset=offset
        )

    def texts(self, run: RecordRun[Fields | Reason]) -> Sequence[bytes]:
        """See Parser."""
        try:
            return [bytes(raw) for raw in _decode_raw(b"[%b]" % run.raw[run.lead :])]
        except (msgspec.MsgspecError, RecursionError):
            spans = self.runs.spans(run)
            return [run.raw[start - run.offset : end - run.offset] for start, end in spans]

    def unknown(self, run: RecordRun[Fields | Reason], most: int) -> Iterable[str]:
        """See Parser; for a single record the run is not read again."""
        if most == 1:
            return _unknown_in_first(run.raw, run.lead)
        return _unknown_in(self.texts(run)[:most])


class NdjsonParser(_ObjectParser):
    """For records that are a line each."""

    def __init__(self, offset: int) -> None:
        """``offset`` is where the part begins in the object, in bytes."""
        self.runs: NdjsonScanner[Fields | Reason] = NdjsonScanner(
            _decode_lines, _decode_record, max_record_bytes=MAX_RECORD_BYTES, offset=offset
        )

    def texts(self, run: RecordRun[Fields | Reason]) -> Sequence[bytes]:
        """See Parser."""
        spans = self.runs.spans(run)
        return [run.raw[start - run.offset : end - run.offset].strip() for start, end in spans]

    def unknown(self, run: RecordRun[Fields | Reason], most: int) -> Iterable[str]:
        """See Parser; blank lines count."""
        return _unknown_in(_first_lines(run.raw, run.lead, most))


def _unknown_in(records: Iterable[bytes]) -> Iterator[str]:
    """Names of fields that are not looked at; of what is no object, none."""
    for record in records:
        yield from _unknown_keys(record) or ()


def _unknown_keys(record: bytes) -> list[str] | None:
    try:
        return [key for key in _decode_keys(record) if key not in _FIELDS]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _unknown_in_first(data: bytes, start: int) -> Iterable[str]:
    """The same of the object that begins there; its end is one of the next closing braces."""
    end = start
    for _ in range(_CANDIDATES):
        end = data.find(b"}", end) + 1
        if not end:
            break
        if (unknown := _unknown_keys(data[start:end])) is not None:
            return unknown
    return ()


def _first_lines(data: bytes, start: int, most: int) -> Iterator[bytes]:
    for _ in range(most):
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
        # A record is no object, a number too large, a name nested deeply: only that one suffers.
        return [_decode_record(bytes(raw)) for raw in _decode_raw(data)]


def _decode_record(data: bytes) -> Fields | Reason:
    try:
        return _decode_one(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decode_oddity(data)


def _decode_oddity(data: bytes) -> Fields | Reason:
    """Reads what msgspec refuses although it is JSON: lone surrogates, numbers of any size."""
    try:
        # Numbers are never looked at, and converting a million digits would take minutes.
        value = json.loads(data.decode("utf-8", "replace"), parse_int=len, parse_float=len)
    except RecursionError:
        return NESTED_TOO_DEEPLY
    except json.JSONDecodeError:
        return NOT_AN_OBJECT
    if not isinstance(value, dict):
        return NOT_AN_OBJECT
    return Fields(name=value.get("name"), email=value.get("email"))


class CsvParser:
    """A record is a row, as a list of its fields."""

    def __init__(self, layout: Layout, offset: int) -> None:
        """``offset`` is where the part begins in the object, in bytes."""
        self.runs: CsvScanner[Row] = CsvScanner(
            read_rows,
            max_record_bytes=MAX_RECORD_BYTES,
            delimiter=layout.delimiter,
            offset=offset,
        )
        self._layout = layout
        places = (layout.first_name, layout.last_name)
        self._name_parts = [at for at in places if at is not None]

    def columns(self, records: Sequence[Row]) -> Columns | None:
        """See Parser."""
        layout = self._layout
        if set(map(len, records)) != {layout.fields}:
            return None
        emails = self._column(records, layout.email)
        if self._name_parts:
            return [self._joined(record) for record in records], emails
        return self._column(records, layout.name), emails

    def fields(self, record: Row) -> tuple[object, object]:
        """See Parser."""
        layout = self._layout
        if len(record) != layout.fields:
            raise RecordRejectedError(WRONG_FIELD_COUNT)
        email = self._field(record, layout.email)
        if self._name_parts:
            return self._joined(record), email
        return self._field(record, layout.name), email

    def texts(self, run: RecordRun[Row]) -> Sequence[bytes]:
        """See Parser: the fields as a JSON array, whatever divided them in the file."""
        return [msgspec.json.encode(row) for row in run.records]

    def unknown(self, run: RecordRun[Row], most: int) -> Iterable[str]:  # noqa: ARG002
        """See Parser: the header has told the service."""
        return ()

    def _joined(self, record: Row) -> str:
        """First and last name, where that is how names are given."""
        parts = (self._field(record, at) or "" for at in self._name_parts)
        return " ".join(part.strip() for part in parts).strip()

    def _column(self, rows: Sequence[Row], at: int | None) -> list[str]:
        if at is None:
            return [""] * len(rows)
        column = [row[at] for row in rows]
        return list(map(unescape_formulas, column)) if self._layout.formulas_escaped else column

    def _field(self, row: Row, at: int | None) -> str | None:
        if at is None:
            return None
        return unescape_formulas(row[at]) if self._layout.formulas_escaped else row[at]
