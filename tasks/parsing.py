"""Bytes of a part to records, with the very code that the service cut the parts with."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias, TypeVar

import msgspec

from config.formats.csv_runs import CsvRuns, Row, read_rows
from config.formats.json_runs import JsonRuns
from config.formats.runs import Run, Runs
from config.formats.spreadsheet import restored
from config.model import Layout
from config.states import Format
from tasks.model import PartWork
from tasks.reasons import NESTED_TOO_DEEPLY, NOT_AN_OBJECT, WRONG_FIELD_COUNT, Reason
from tasks.validation import Refused

MAX_RECORD_BYTES: Final = 4 * 1024 * 1024
"""The most that the service may be set to take: what it took is not refused here."""

T = TypeVar("T")
Columns: TypeAlias = tuple[list[Any], list[Any]]
"""Names and e-mails; empty text where there is none."""


class Parser(Protocol[T]):
    """The records of one part: where they are, what they say, how they were written."""

    @property
    def runs(self) -> Runs[T]:
        """Takes the part's bytes and finds the records in them."""
        ...

    def columns(self, records: Sequence[T]) -> Columns | None:
        """All names and all e-mails, unchecked; None if a record is not of the usual kind."""
        ...

    def fields(self, record: T) -> tuple[object, object]:
        """Name and e-mail as they stand in the record, unchecked; raises Refused."""
        ...

    def texts(self, run: Run[T]) -> Sequence[bytes]:
        """Each record of a run as it came, as JSON; slower than finding the run."""
        ...


def parser_for(work: PartWork) -> Parser[Any]:
    """A parser for the bytes of this part."""
    if work.format is Format.CSV and work.layout is not None:
        return CsvParser(work.layout, work.part.byte_start)
    return JsonParser(work.part.byte_start)


class Fields(msgspec.Struct, gc=False):
    """What is looked at in an object; all other keys are skipped without being kept."""

    name: object = None
    email: object = None


_decode_fields: Final[Callable[[bytes], list[Any]]] = msgspec.json.Decoder(list[Fields]).decode
_decode_one: Final = msgspec.json.Decoder(Fields).decode
_decode_raw: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


class JsonParser:
    """A record is an object, or the reason why it is none."""

    def __init__(self, offset: int) -> None:
        """``offset`` is where the part begins in the object, in bytes."""
        self.runs: JsonRuns[Fields | Reason] = JsonRuns(
            _decode_run, _decode_record, max_record_bytes=MAX_RECORD_BYTES, offset=offset
        )

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
            raise Refused(record)
        return record.name, record.email

    def texts(self, run: Run[Fields | Reason]) -> Sequence[bytes]:
        """See Parser."""
        try:
            return [bytes(raw) for raw in _decode_raw(b"[%b]" % run.raw[run.lead :])]
        except (msgspec.MsgspecError, RecursionError):
            spans = self.runs.spans(run)
            return [run.raw[start - run.offset : end - run.offset] for start, end in spans]


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
    except ValueError:
        return NOT_AN_OBJECT
    if not isinstance(value, dict):
        return NOT_AN_OBJECT
    return Fields(name=value.get("name"), email=value.get("email"))


class CsvParser:
    """A record is a row, as a list of its fields."""

    def __init__(self, layout: Layout, offset: int) -> None:
        """``offset`` is where the part begins in the object, in bytes."""
        self.runs: CsvRuns[Row] = CsvRuns(
            read_rows, max_record_bytes=MAX_RECORD_BYTES, offset=offset
        )
        self._layout = layout

    def columns(self, records: Sequence[Row]) -> Columns | None:
        """See Parser."""
        layout = self._layout
        if set(map(len, records)) != {layout.fields}:
            return None
        return self._column(records, layout.name), self._column(records, layout.email)

    def fields(self, record: Row) -> tuple[object, object]:
        """See Parser."""
        layout = self._layout
        if len(record) != layout.fields:
            raise Refused(WRONG_FIELD_COUNT)
        return self._field(record, layout.name), self._field(record, layout.email)

    def texts(self, run: Run[Row]) -> Sequence[bytes]:
        """See Parser: the fields as a JSON array, whatever divided them in the file."""
        return [msgspec.json.encode(row) for row in run.records]

    def _column(self, rows: Sequence[Row], at: int | None) -> list[str]:
        if at is None:
            return [""] * len(rows)
        column = [row[at] for row in rows]
        return list(map(restored, column)) if self._layout.neutralised else column

    def _field(self, row: Row, at: int | None) -> str | None:
        if at is None:
            return None
        return restored(row[at]) if self._layout.neutralised else row[at]
