"""Rejections as clients receive them: in JSON, and as rows of a CSV file to be imported again.

A rejection keeps its record as JSON: an object as it was received, or the fields of a CSV row as an
array. The JSON may be truncated, contain lone surrogates, or be neither object nor array. Such a
record has no columns: its cells are empty and the column ``content`` has its text. This way half
a record is never imported by mistake.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, Final, Protocol

import msgspec

from core.formats.formula_escaping import REJECTION_COLUMNS, escape_formulas, unescape_formulas
from core.reading.plan import Field, ReadingPlan
from core.rejection_objects import Rejection as StoredRejection
from service.api.email_suggestions import suggestion
from service.api.pagination import MAX_PAGE_BYTES
from service.api.schemas import Rejection

CONTENT: Final = "content"
"""Name of the last column: the record as it was received, where other columns are incomplete."""

_EMAIL_INVALID: Final = "email_invalid"
_MAX_KEYS: Final = 100
_MAX_KEY_LENGTH: Final = 200
"""Limits for the columns that are made from keys of objects."""

_read_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_row: Final = msgspec.json.Decoder(list[str]).decode


@dataclass(frozen=True, slots=True)
class Record:
    """A rejected record, as it is shown."""

    value: msgspec.Raw | dict[str, str] | str
    """An object, or text if the record is not an object or was truncated."""
    cells: Sequence[str]
    """Its values in the columns; empty if it has no columns."""
    remainder: str
    """The record as it was received, where ``cells`` lack some of it; else empty."""
    email: str | None


class Columns(Protocol):
    """The columns of an import's records."""

    @property
    def names(self) -> Sequence[str]:
        """The column names."""
        ...

    def read(self, content: str) -> Record:
        """Return the record of which ``content`` is the stored JSON."""
        ...


def columns_of(stored: dict[str, Any] | None, rows: Iterable[StoredRejection]) -> Columns:
    """Return the columns of a CSV file by its plan, else the keys of the objects in ``rows``."""
    plan = ReadingPlan.from_json(stored) if stored else None
    if plan is not None and plan.csv is not None:
        return RowColumns(plan)
    return KeyColumns.of((row.content for row in rows), plan)


def as_json(
    rows: Sequence[StoredRejection], limit: int, columns: Columns
) -> tuple[bytes, str | None]:
    """Return a page with the first rejections in JSON, and the cursor of the next page.

    There are at most ``limit``, and fewer if they take more than MAX_PAGE_BYTES, but at least one.
    """
    encoded: list[bytes] = []
    size = 0
    for row in rows[:limit]:
        record = columns.read(row.content)
        rejection = Rejection(
            record=row.record,
            code=row.code,
            message=row.message,
            hint=_hint(row, record),
            content=record.value,
        )
        data = msgspec.json.encode(rejection)
        size += len(data)
        if encoded and size > MAX_PAGE_BYTES:
            break
        encoded.append(data)
    cursor = str(rows[len(encoded) - 1].record) if len(encoded) < len(rows) else None
    next_ = msgspec.json.encode(cursor)
    return b'{"rejections":[%b],"next":%b}' % (b",".join(encoded), next_), cursor


def csv_header(columns: Columns) -> bytes:
    """Return the first line of the CSV file; its byte order mark makes spreadsheets read UTF-8."""
    return "\ufeff".encode() + _csv_lines([[*REJECTION_COLUMNS, *columns.names, CONTENT]])


def csv_rows(rows: Iterable[StoredRejection], columns: Columns) -> bytes:
    """Lines of the CSV file for these rejections."""
    return _csv_lines(_cells(row, columns) for row in rows)


def _cells(row: StoredRejection, columns: Columns) -> Iterator[str]:
    record = columns.read(row.content)
    yield from (str(row.record), row.code, row.message, _hint(row, record) or "")
    yield from record.cells or [""] * len(columns.names)
    yield record.remainder


def _hint(row: StoredRejection, record: Record) -> str | None:
    return suggestion(record.email) if row.code == _EMAIL_INVALID and record.email else None


def _csv_lines(rows: Iterable[Iterable[str]]) -> bytes:
    text = StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows(map(escape_formulas, row) for row in rows)
    return text.getvalue().replace("\0", "\ufffd").encode("utf-8", "replace")


class RowColumns:
    """The columns of a CSV file, without those that an earlier rejections file added."""

    def __init__(self, plan: ReadingPlan) -> None:
        self._unescapes = plan.formulas_escaped
        self._emails = [place for place in plan.places.email if isinstance(place, int)]
        header = plan.header if plan.has_header else tuple(map(str, range(1, plan.columns + 1)))
        added = len(REJECTION_COLUMNS) if plan.formulas_escaped else 0
        end = len(header) - (added > 0 and header[-1] == CONTENT)
        self._width = len(header)
        self._own = slice(added, end)
        self.names: Sequence[str] = header[self._own]
        self._keys = _distinct(self.names)

    def read(self, content: str) -> Record:
        """Return the row as an object with column names as keys; as text if it is too long.

        Cells that are missing at its end are empty, as in the import.
        """
        try:
            row = _read_row(content)
        except msgspec.MsgspecError:
            return _as_text(content)
        row = [unescape_formulas(field) for field in row] if self._unescapes else row
        if len(row) > self._width or not self._width:
            return _as_text(_line(row))
        row += [""] * (self._width - len(row))
        cells = row[self._own]
        value = dict(zip(self._keys, cells, strict=True))
        return Record(value, cells, "", next(filter(None, (row[at] for at in self._emails)), None))


class KeyColumns:
    """The keys of JSON objects as columns."""

    def __init__(self, names: Sequence[str], own: Sequence[str], email: str) -> None:
        """``own`` are the keys of a contact's fields, ``email`` is that of its address."""
        self.names = names
        self._own = own
        self._email = email

    @classmethod
    def of(cls, contents: Iterable[str], plan: ReadingPlan | None) -> "KeyColumns":
        """The keys of a contact's fields, then the other ones of these objects."""
        places = [place for field in Field for place in plan.places.of(field)] if plan else []
        own = [place[0] for place in places if isinstance(place, tuple)] or ["name", "email"]
        emails = plan.places.email if plan else ()
        email = emails[0][0] if emails and isinstance(emails[0], tuple) else "email"
        names = dict.fromkeys(own)
        for content in contents:
            names |= dict.fromkeys(_object(content) or ())
        kept = [name for name in names if len(name) <= _MAX_KEY_LENGTH][:_MAX_KEYS]
        return cls(kept, list(dict.fromkeys(own)), email)

    def read(self, content: str) -> Record:
        """Return the object as it was received; without cells if one of its fields is no scalar."""
        fields = _object(content)
        if fields is None:
            return _as_text(content)
        value = msgspec.Raw(content.encode())
        email = fields.get(self._email)
        text = _text(email) if email is not None and bytes(email).startswith(b'"') else None
        if any(bytes(fields.get(name, b"")).startswith((b"{", b"[")) for name in self._own):
            return Record(value, (), content, text)
        cells = [_text(fields[name]) if name in fields else "" for name in self.names]
        return Record(value, cells, content if fields.keys() - set(self.names) else "", text)


def _object(content: str) -> dict[str, msgspec.Raw] | None:
    try:
        return _read_object(content)
    except (msgspec.MsgspecError, RecursionError):
        return None


def _text(value: msgspec.Raw) -> str:
    """Return a JSON value as a cell: strings without quotes, null as nothing, the rest as JSON."""
    raw = bytes(value)
    if raw == b"null":
        return ""
    return msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()


def _as_text(text: str) -> Record:
    return Record(text, (), text, None)


def _line(row: list[str]) -> str:
    text = StringIO(newline="")
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue()


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names as keys of an object: a number is added to repeated ones."""
    keys: dict[str, None] = {}
    for name in names:
        key, number = name, 1
        while key in keys:
            number += 1
            key = f"{name} ({number})"
        keys[key] = None
    return list(keys)
