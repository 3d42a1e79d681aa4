"""What tests leave in Supabase: how to remove it, and how to see that nothing is left."""

import contextlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import httpx
import psycopg2

COUNTS = """
    select (select count(*) from imports) as imports,
      (select count(*) from import_parts) as parts,
      (select count(*) from import_rejections) as rejections,
      (select count(*) from dramatiq.queue) as messages,
      (select count(*) from unfinished_uploads) as unfinished_uploads,
      (select count(*) from erasures) as erasures,
      (select count(*) from contacts) as contacts
"""
REMOVALS = (
    "delete from dramatiq.queue where message ->> 'args' like %(like)s",
    """
    delete from contacts
    using coalesce(prefix_of_import(%(id)s), contact_prefix(%(id)s, 0)) as prefix
    where contacts.id between (prefix || '000000000')::uuid and (prefix || 'fffffffff')::uuid
    """,
    "delete from imports where id = %(id)s",
)
BUCKET = "imports"
PAGE = 1000


def storage_client(env: Mapping[str, str]) -> httpx.Client:
    """A client of the Storage API with the service role's key."""
    key = env["SUPABASE_SERVICE_ROLE_KEY"]
    headers = {"apikey": key, "Authorization": f"Bearer {key}"}
    url = f"{env['SUPABASE_URL']}/storage/v1"
    return httpx.Client(base_url=url, headers=headers, timeout=60)


@contextlib.contextmanager
def database(env: Mapping[str, str]) -> Iterator[Any]:
    """A cursor of a connection that commits each statement."""
    with contextlib.closing(psycopg2.connect(env["DATABASE_URL"])) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def remove_imports(env: Mapping[str, str], imports: Iterable[uuid.UUID]) -> None:
    """Remove imports with their parts, rejections, contacts and messages, but no objects."""
    with database(env) as cursor:
        for import_id in imports:
            values = {"like": f"%{import_id}%", "id": str(import_id)}
            for statement in REMOVALS:
                cursor.execute(statement, values)


def remove_messages(env: Mapping[str, str], messages: Iterable[str]) -> None:
    """Remove messages by their ids, for those that name no import of the tests."""
    with database(env) as cursor:
        statement = "delete from dramatiq.queue where message_id = any(%s::uuid[])"
        cursor.execute(statement, [list(messages)])


def count_everything(env: Mapping[str, str]) -> dict[str, int]:
    """Return the number of rows in each table that matters, of objects and of buckets."""
    with database(env) as cursor:
        cursor.execute(COUNTS)
        names = [column.name for column in cursor.description]
        counts = dict(zip(names, cursor.fetchone(), strict=True))
    with storage_client(env) as storage:
        buckets = storage.get("/bucket").raise_for_status().json()
        return {**counts, "objects": _count_objects(storage), "buckets": len(buckets)}


def _count_objects(storage: httpx.Client) -> int:
    count = 0
    while True:
        query = {"prefix": "", "limit": PAGE, "offset": count}
        page = storage.post(f"/object/list/{BUCKET}", json=query).raise_for_status().json()
        count += len(page)
        if len(page) < PAGE:
            return count
