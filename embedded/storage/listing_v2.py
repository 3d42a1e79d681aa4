"""Lists objects page by page from a cursor, with or without folders (``list-v2``)."""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from embedded.storage import errors
from embedded.storage.catalog import Bucket, Stored
from embedded.storage.listing import Entry, metadata_of, sorting
from embedded.storage.schema import Boolean, Integer, Record, Text

LIST_V2: Final = Record(
    {
        "prefix": Text(),
        "limit": Integer(minimum=1),
        "cursor": Text(),
        "with_delimiter": Boolean(),
        "sortBy": sorting(("name", "updated_at", "created_at")),
    }
)
_MOST: Final = 1000
_cursor_line = re.compile(r"([loca]):(.*)").fullmatch


@dataclass(frozen=True)
class Cursor:
    """The end of a page: the last entry, by name and by time, and the order that it has."""

    name: str = ""
    time: str = ""
    column: str = ""
    order: str = ""

    def encoded(self) -> str:
        """Return the cursor as clients send it back."""
        values = {"l": self.name, "o": self.order, "c": self.column, "a": self.time}
        text = "\n".join(f"{key}:{value}" for key, value in values.items() if value)
        return base64.b64encode(text.encode()).decode()

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Return the cursor. Raises StorageError if it is not one."""
        try:
            lines = base64.b64decode(text).decode().split("\n")
        except ValueError:
            lines = [""]
        matches = [_cursor_line(line) for line in lines]
        values = {match[1]: match[2] for match in matches if match is not None}
        if None in matches:
            raise errors.invalid_parameter("Invalid Parameter continuation token")
        return cls(
            name=values.get("l", ""),
            time=values.get("a", ""),
            column=values.get("c", ""),
            order=values.get("o", "asc"),
        )


@dataclass(frozen=True)
class PageQuery:
    """A request for a page; its order is that of the cursor, if it has one."""

    prefix: str
    limit: int
    folders: bool
    column: str
    order: str
    after: Cursor | None

    @classmethod
    def parse(cls, body: dict[str, Any]) -> "PageQuery":
        """Read a body that ``LIST_V2`` has checked. Raises StorageError for a bad cursor."""
        after = Cursor.decode(body["cursor"]) if body.get("cursor") else None
        asked = body.get("sortBy") or {}
        return cls(
            prefix=body.get("prefix", ""),
            limit=min(body.get("limit", _MOST), _MOST),
            folders=body.get("with_delimiter", False),
            column=(after and after.column) or asked.get("column", ""),
            order=(after and after.order) or asked.get("order", ""),
            after=after,
        )

    @property
    def by_time(self) -> bool:
        """Whether the entries are sorted by a time, and then by name."""
        return self.column not in {"", "name"}

    @property
    def descending(self) -> bool:
        """Whether the last entry is the first one."""
        return self.order == "desc"

    def place_of(self, entry: Entry) -> tuple[str, str]:
        """Return what entries are sorted by."""
        return (entry[self.column] if self.by_time else "", entry["name"])

    def is_next(self, entry: Entry) -> bool:
        """Whether an entry comes after the cursor."""
        if self.after is None:
            return True
        place, last = self.place_of(entry), (self.after.time, self.after.name)
        return place < last if self.descending else place > last


def list_page(bucket: Bucket | None, query: PageQuery) -> Entry:
    """Return a page: objects, folders, and the cursor of the next page if there is one."""
    objects = bucket.objects.values() if bucket else ()
    found = [entry for entry in _entries(objects, query) if query.is_next(entry)]
    found.sort(key=query.place_of, reverse=query.descending)
    page = found[: query.limit]
    answer: Entry = {
        "hasNext": len(found) > len(page),
        "folders": [_shown(entry, query) for entry in page if entry["id"] is None],
        "objects": [entry for entry in page if entry["id"] is not None],
    }
    if len(found) > len(page):
        time, name = query.place_of(page[-1])
        cursor = Cursor(name=name, time=time, column=query.column, order=query.order)
        answer |= {"nextCursor": cursor.encoded(), "nextCursorKey": name}
    return answer


def _entries(objects: Iterable[Stored], query: PageQuery) -> Iterable[Entry]:
    folders: dict[str, Entry] = {}
    for stored in objects:
        if not stored.name.startswith(query.prefix):
            continue
        inside, slash, _ = stored.name.removeprefix(query.prefix).partition("/")
        if not (query.folders and slash):
            yield _object_entry(stored, with_key=query.folders)
            continue
        name = f"{query.prefix}{inside}/"
        folder = folders.setdefault(name, _folder_entry(name, stored.created_at))
        oldest = min(folder["created_at"], stored.created_at)
        folder["created_at"] = folder["updated_at"] = oldest
    yield from folders.values()


def _object_entry(stored: Stored, *, with_key: bool) -> Entry:
    key = {"key": stored.name.rpartition("/")[2]} if with_key else {}
    return {
        **key,
        "name": stored.name,
        "id": stored.id,
        "updated_at": stored.updated_at,
        "created_at": stored.created_at,
        "last_accessed_at": stored.updated_at,
        "metadata": metadata_of(stored),
    }


def _folder_entry(name: str, created_at: str) -> Entry:
    return {
        "key": name.rstrip("/").rpartition("/")[2],
        "name": name,
        "id": None,
        "updated_at": created_at,
        "created_at": created_at,
        "last_accessed_at": None,
        "metadata": None,
    }


def _shown(folder: Entry, query: PageQuery) -> Entry:
    """Return a folder as shown: its times only if they are sorted by, as by the real one."""
    return folder if query.by_time else {**folder, "updated_at": None, "created_at": None}
