"""The bucket of the imports, as one looks through it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from storage3.types import ListBucketFilesOptions
from supabase import Client

from config.model import BUCKET
from config.retrying import retrying
from config.upstream import STORAGE, translated

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in the bucket; it appears there when it is whole."""

    name: str
    created_at: float
    """Seconds since 1970, by the clock of Storage."""

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """As the list of Storage tells it."""
        return cls(value["name"], datetime.fromisoformat(value["created_at"]).timestamp())


class Bucket:
    """Lists and removes; tries again for ``deadline`` seconds, raises UpstreamError after that."""

    def __init__(self, supabase: Client, *, deadline: float) -> None:
        self._supabase = supabase
        self._deadline = deadline
        self._removed = 0

    def pages(self) -> Iterator[list[StoredObject]]:
        """All objects by name, the last one first, some at a time.

        What is removed meanwhile by this object is accounted for. What others add or remove may
        make a few be told twice, or not.
        """
        offset, self._removed = 0, 0
        while page := retrying(self._deadline)(self._list, offset - self._removed):
            # Folders have no id.
            yield [StoredObject.from_json(entry) for entry in page if entry["id"]]
            offset += len(page)

    def remove(self, names: Sequence[str]) -> None:
        """Remove these objects; it is no error if one is gone already."""
        retrying(self._deadline)(self._remove, list(names))
        self._removed += len(names)

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
