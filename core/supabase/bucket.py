"""The bucket of the imports, as one looks through it."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from storage3.types import ListBucketFilesOptions
from supabase import Client

from core.models import BUCKET
from core.supabase.errors import STORAGE, translated
from core.supabase.retry import retrying

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the bucket, which appears there when it is whole; or a folder with some."""

    name: str
    created_at: float
    """Seconds since 1970, by the clock of Storage; 0 of a folder, of which it is not known."""
    is_folder: bool = False

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """As the list of Storage has it: folders have no id, and no dates."""
        if value["id"] is None:
            return cls(value["name"], 0.0, is_folder=True)
        return cls(value["name"], datetime.fromisoformat(value["created_at"]).timestamp())


class Bucket:
    """Lists and removes; tries again for ``deadline`` seconds, raises UpstreamError after that."""

    def __init__(
        self, supabase: Client, *, deadline: float, stopping: threading.Event | None = None
    ) -> None:
        """``stopping`` cuts the deadline short, once it is set."""
        self._supabase = supabase
        self._deadline = deadline
        self._stopping = stopping
        self._removed = 0

    def pages(self) -> Iterator[list[StoredObject]]:
        """All objects and folders at the top by name, the last one first, some at a time.

        What is removed meanwhile by this object is accounted for. What others add or remove may
        make a few be told twice, or not.
        """
        offset, self._removed = 0, 0
        while page := retrying(self._deadline, self._stopping)(self._list, offset - self._removed):
            yield [StoredObject.from_json(entry) for entry in page]
            offset += len(page)

    def remove(self, names: Sequence[str]) -> None:
        """Remove these objects; it is no error if one is gone already."""
        retrying(self._deadline, self._stopping)(self._remove, list(names))
        self._removed += len(names)

    def remove_folder(self, folder: str) -> int:
        """Remove all objects in a folder, and so the folder; returns how many there were."""
        names = [f"{folder}/{name}" for name in self.names_in(folder)]
        for start in range(0, len(names), _PAGE):
            retrying(self._deadline, self._stopping)(self._remove, names[start : start + _PAGE])
        self._removed += bool(names)
        return len(names)

    def put(self, name: str, content: bytes, content_type: str) -> None:
        """Store an object, in place of one of the same name."""
        retrying(self._deadline, self._stopping)(self._put, name, content, content_type)

    def names_in(self, folder: str, *, prefix: str = "") -> list[str]:
        """Names of all objects in a folder that begin so, without the folder's."""
        names: list[str] = []
        while page := retrying(self._deadline, self._stopping)(
            self._names, folder, prefix, len(names)
        ):
            names += page
        # Storage does not mind the case.
        return [name for name in names if name.startswith(prefix)]

    def _put(self, name: str, content: bytes, content_type: str) -> None:
        with translated(STORAGE):
            self._supabase.storage.from_(BUCKET).upload(
                name, content, {"content-type": content_type, "upsert": "true"}
            )

    def _names(self, folder: str, prefix: str, offset: int) -> list[str]:
        options: ListBucketFilesOptions = {"limit": _PAGE, "offset": offset, "search": prefix}
        with translated(STORAGE):
            found = self._supabase.storage.from_(BUCKET).list(folder, options)
        return [entry["name"] for entry in found]

    def _list(self, offset: int) -> list[dict[str, Any]]:
        options: ListBucketFilesOptions = {
            "limit": _PAGE,
            "offset": offset,
            "sortBy": {"column": "name", "order": "desc"},
        }
        with translated(STORAGE):
            return self._supabase.storage.from_(BUCKET).list(options=options)

    def _remove(self, names: list[str]) -> None:
        with translated(STORAGE):
            self._supabase.storage.from_(BUCKET).remove(names)
