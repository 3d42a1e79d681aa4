"""Rejections as clients see them: in JSON, and as rows of a CSV file that can be sent again.

What a rejection keeps of its record is JSON: an object as it came, or a CSV row's fields as an
array. It may be cut or have half of a surrogate pair, and it may be anything else that was in the
place of a record. Such a one has no columns: its cells are empty, and ``content`` shows what there
is. So nothing that was refused is taken the next time because half of it is missing.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, Final, Protocol

import msgspec

from core.formats.spreadsheet import REJECTION_COLUMNS, escape_formulas, unescape_formulas
from core.models import Layout
from core.rejection_objects import Rejection
from service.api.email_suggestions import suggestion

CONTENT: Final = "content"
"""The last column: the record as it came, where the others do not hold all of it."""

_HINTED: Final = "email_invalid"
_MOST_KEYS: Final = 100
_LONGEST_KEY: Final = 200
"""Columns that a file gets for objects, and how long their names may be."""

_read_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_row: Final = msgspec.json.Decoder(list[str]).decode


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was no contact."""

    shown: msgspec.Raw | dict[str, str] | str
    """An object, or the text of what is none."""
    cells: Sequence[str]
    """Its values in the columns; none if it has no place there."""
    content: str
    """What the cells do not tell; empty if they tell all."""
    email: str | None


class Columns(Protocol):
    """The columns of an import's records."""

    @property
    def names(self) -> Sequence[str]:
        """What the header calls them."""
        ...

    def read(self, content: str) -> Record:
        """The record of which this is kept."""
        ...


def columns_of(layout: dict[str, Any] | None, rows: Iterable[Rejection]) -> Columns:
    """Those of the file's header, or else the keys of the objects in these rejections."""
    if layout is not None:
        return RowColumns(Layout.from_json(layout))
    return KeyColumns.of(row.content for row in rows)


def as_json(rows: Sequence[Rejection], columns: Columns, following: str | None) -> bytes:
    """A page of rejections; ``following`` is the cursor of the next one."""
    page = [_as_object(row, columns.read(row.content)) for row in rows]
    return msgspec.json.encode({"rejections": page, "next": following})


def csv_header(columns: Columns) -> bytes:
    """The first line of the file; spreadsheets know by the mark before it that it is UTF-8."""
    return "\ufeff".encode() + _as_csv([[*REJECTION_COLUMNS, *columns.names, CONTENT]])


def csv_rows(rows: Iterable[Rejection], columns: Columns) -> bytes:
    """Some more lines of the file."""
    return _as_csv(_as_cells(row, columns) for row in rows)


def _as_object(row: Rejection, record: Record) -> dict[str, Any]:
    return {
        "record": row.record,
        "code": row.code,
        "message": row.message,
        "hint": _hint(row, record),
        "content": record.shown,
    }


def _as_cells(row: Rejection, columns: Columns) -> Iterator[str]:
    record = columns.read(row.content)
    yield from (str(row.record), row.code, row.message, _hint(row, record) or "")
    yield from record.cells or [""] * len(columns.names)
    yield record.content


def _hint(row: Rejection, record: Record) -> str | None:
    """The address that was meant, if that is plain."""
    return suggestion(record.email) if row.code == _HINTED and record.email else None


def _as_csv(rows: Iterable[Iterable[str]]) -> bytes:
    text = StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows(map(escape_formulas, row) for row in rows)
    return text.getvalue().replace("\0", "\ufffd").encode("utf-8", "replace")


class RowColumns:
    """The columns of a CSV file. Of one that has rejections, those that we added are left out."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        header = layout.header
        ours = len(REJECTION_COLUMNS) if layout.formulas_escaped else 0
        end = len(header) - (ours > 0 and header[-1] == CONTENT)
        self._own = slice(ours, end)
        self.names: Sequence[str] = header[self._own]
        self._keys = _distinct(self.names)

    def read(self, content: str) -> Record:
        """See Columns."""
        try:
            row = _read_row(content)
        except msgspec.MsgspecError:
            return _without_columns(content)
        row = [unescape_formulas(field) for field in row] if self._layout.formulas_escaped else row
        if len(row) != len(self._layout.header):
            return _without_columns(_line(row))
        cells, at = row[self._own], self._layout.email
        shown = dict(zip(self._keys, cells, strict=True))
        return Record(shown, cells, "", None if at is None else row[at])


class KeyColumns:
    """The keys of objects."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    @classmethod
    def of(cls, contents: Iterable[str]) -> "KeyColumns":
        """Those of the fields of a contact, and then some more of these objects."""
        names = dict.fromkeys(("name", "email"))
        for content in contents:
            names |= dict.fromkeys(_object(content) or ())
        return cls([name for name in names if len(name) <= _LONGEST_KEY][:_MOST_KEYS])

    def read(self, content: str) -> Record:
        """See Columns."""
        found = _object(content)
        if found is None:
            return _without_columns(content)
        shown = msgspec.Raw(content.encode())
        email = found.get("email")
        text = _text(email) if email is not None and bytes(email).startswith(b'"') else None
        if any(bytes(found.get(name, b"")).startswith((b"{", b"[")) for name in ("name", "email")):
            return Record(shown, (), content, text)
        cells = [_text(found[name]) if name in found else "" for name in self.names]
        return Record(shown, cells, content if found.keys() - set(self.names) else "", text)


def _object(content: str) -> dict[str, msgspec.Raw] | None:
    try:
        return _read_object(content)
    except (msgspec.MsgspecError, RecursionError):
        return None


def _text(value: msgspec.Raw) -> str:
    """A value as a cell has it: text as it reads, null as nothing, all else as it was written."""
    raw = bytes(value)
    if raw == b"null":
        return ""
    return msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()


def _without_columns(text: str) -> Record:
    return Record(text, (), text, None)


def _line(row: list[str]) -> str:
    text = StringIO(newline="")
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue()


def _distinct(names: Sequence[str]) -> list[str]:
    """The names as keys of an object: where one comes again, its number is added."""
    keys: dict[str, None] = {}
    for name in names:
        key, number = name, 1
        while key in keys:
            number += 1
            key = f"{name} ({number})"
        keys[key] = None
    return list(keys)
