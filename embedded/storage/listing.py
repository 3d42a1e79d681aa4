"""Lists a folder: names up to the next slash, as in Storage."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from embedded.storage.catalog import Bucket, Stored
from embedded.storage.schema import Integer, Record, Text

COLUMNS = ("name", "updated_at", "created_at", "last_accessed_at")
Entry = dict[str, Any]


def sorting(columns: tuple[str, ...]) -> Record:
    """Return the schema of ``sortBy``."""
    return Record(
        {"column": Text(choices=columns), "order": Text(choices=("asc", "desc"))},
        required=("column",),
    )


LIST: Final = Record(
    {
        "prefix": Text(),
        "limit": Integer(minimum=1),
        "offset": Integer(minimum=0),
        "sortBy": sorting(COLUMNS),
        "search": Text(),
    },
    required=("prefix",),
)


@dataclass(frozen=True)
class Query:
    """A request for a list; ``folder`` is empty or ends with a slash."""

    folder: str
    limit: int
    offset: int
    search: str
    column: str
    descending: bool

    @classmethod
    def parse(cls, body: dict[str, Any]) -> "Query":
        """Read a body that ``LIST`` has checked, with the default values of Storage."""
        order = body.get("sortBy") or {}
        prefix = body["prefix"]
        return cls(
            folder=prefix if not prefix or prefix.endswith("/") else f"{prefix}/",
            limit=body.get("limit") or 100,
            offset=body.get("offset") or 0,
            search=body.get("search") or "",
            column=order.get("column", "name"),
            descending=order.get("order") == "desc",
        )


def list_folder(bucket: Bucket, query: Query) -> list[Entry]:
    """Return the folders and objects directly in a folder; folders only have a name."""
    found = _entries(bucket.objects.values(), query).values()
    ordered = sorted(found, key=lambda entry: entry["name"], reverse=query.descending)
    if query.column != "name":
        ordered.sort(key=lambda entry: entry[query.column] or "", reverse=query.descending)
    return ordered[query.offset : query.offset + query.limit]


def _entries(objects: Iterable[Stored], query: Query) -> dict[str, Entry]:
    beginning = query.folder + query.search
    entries: dict[str, Entry] = {}
    for stored in objects:
        if stored.name.startswith(beginning):
            name, inside, _ = stored.name.removeprefix(query.folder).partition("/")
            entries[name] = _folder_entry(name) if inside else _object_entry(name, stored)
    return entries


def _folder_entry(name: str) -> Entry:
    nothing = dict.fromkeys(("id", "updated_at", "created_at", "last_accessed_at", "metadata"))
    return {"name": name, **nothing}


def _object_entry(name: str, stored: Stored) -> Entry:
    return {
        "name": name,
        "id": stored.id,
        "updated_at": stored.updated_at,
        "created_at": stored.created_at,
        "last_accessed_at": stored.updated_at,
        "metadata": metadata_of(stored),
    }


def describe(stored: Stored) -> Entry:
    """Return all the facts of an object, as Storage shows its row."""
    return {
        "name": stored.name,
        "bucket_id": stored.bucket,
        "owner": "",
        "version": stored.version,
        "id": stored.id,
        "updated_at": stored.updated_at,
        "created_at": stored.created_at,
        "last_accessed_at": stored.updated_at,
        "metadata": metadata_of(stored),
        "user_metadata": stored.user_metadata,
    }


def metadata_of(stored: Stored) -> dict[str, Any]:
    """Return the metadata of an object's bytes."""
    return {
        "eTag": stored.etag,
        "size": stored.size,
        "mimetype": stored.content_type,
        "cacheControl": stored.cache_control,
        "lastModified": stored.updated_at,
        "contentLength": stored.size,
        "httpStatusCode": 200,
    }
