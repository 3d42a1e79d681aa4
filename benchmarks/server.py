"""The measured Supabase: an embedded one, or the one in the environment."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg2
from psycopg2.extensions import make_dsn

from benchmarks.errors import BenchmarkError
from embedded.keys import Secrets
from embedded.launch import running
from embedded.paths import Data
from embedded.postgres import SUPERUSER

NEEDED = ("SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY", "DATABASE_URL")
ERASE = """
TRUNCATE public.contacts, public.imports, public.import_parts, public.import_rejections,
         public.import_rejection_objects, public.erasures, public.erasure_imports;
DELETE FROM dramatiq.queue WHERE state <> 'consumed';
"""
# Consumed messages are nearly done: the worker acknowledges after the end of the import.
COUNT = """
SELECT (SELECT count(*) FROM public.contacts),
       (SELECT count(*) FROM (SELECT FROM public.contacts GROUP BY email) AS each),
       (SELECT count(*) FROM public.import_rejections) + (
         SELECT coalesce(sum(each.value::bigint), 0)
         FROM public.import_rejection_objects o, jsonb_each_text(o.codes) AS each)
"""
CLOCK_LOOKS = 9
BUCKET = "imports"


@dataclass(frozen=True)
class Server:
    """A Supabase, with the processes of an embedded one."""

    env: Mapping[str, str]
    admin: str
    """Connection of a role that may run CHECKPOINT."""
    pid: int | None
    """The embedded stack's process; None for a Supabase elsewhere, of which we see nothing."""

    @property
    def postgres(self) -> str:
        """Return the version of its Postgres."""
        ((version,),) = self.ask("SELECT version()")
        return str(version).partition(", compiled")[0]

    def ask(self, statement: str, *, dsn: str = "") -> list[tuple[Any, ...]]:
        """Run a statement in its own transaction; returns the rows."""
        with _connected(dsn or self.env["DATABASE_URL"]) as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def erase(self) -> None:
        """Empty all tables, and wait until disk and Postgres are idle."""
        self.ask(ERASE)
        self.remove_objects()
        self.checkpoint()
        os.sync()

    def checkpoint(self) -> None:
        """Have Postgres write all to its files, if we may ask for that."""
        with contextlib.suppress(psycopg2.errors.InsufficientPrivilege):
            self.ask("CHECKPOINT", dsn=self.admin)

    def expect(self, contacts: int, rejections: int, *, emails: int | None = None) -> None:
        """Raise BenchmarkError unless there are exactly these rows and rejections."""
        expected = (contacts, contacts if emails is None else emails, rejections)
        with _connected(self.env["DATABASE_URL"]) as cursor:
            cursor.execute("SET work_mem = '512MB'; SET statement_timeout = 0")
            cursor.execute(COUNT)
            found = cursor.fetchone()
        if found != expected:
            raise BenchmarkError(
                f"Rows, distinct e-mails and rejections are {found}, but should be {expected}."
            )

    def expect_queued(self, records: int) -> None:
        """Raise BenchmarkError unless exactly one import of this many records is recorded."""
        found = self.ask("SELECT records FROM public.imports")
        if found != [(records,)]:
            raise BenchmarkError(f"Imports have {found} records, but one of {records} should be.")

    def expect_object(self, size: int) -> None:
        """Raise BenchmarkError unless there is exactly one object of this many bytes."""
        with self._storage() as client:
            sizes = [entry["metadata"]["size"] for entry in _entries(client)]
        if sizes != [size]:
            raise BenchmarkError(f"Objects have {sizes} bytes, but one of {size} should be there.")

    def seconds_ahead(self) -> float:
        """Return the seconds that the database's clock is ahead, by the fastest of some queries."""
        with _connected(self.env["DATABASE_URL"]) as cursor:
            looks = [_look_at_clock(cursor) for _ in range(CLOCK_LOOKS)]
        return min(looks)[1]

    def remove_objects(self) -> None:
        """Remove all objects from the bucket for imports."""
        with self._storage() as client:
            for folder in [entry["name"] for entry in _listed(client) if not entry["id"]]:
                _remove(client, f"{folder}/")
            _remove(client)

    def _storage(self) -> httpx.Client:
        key = self.env["SUPABASE_SERVICE_ROLE_KEY"]
        headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        url = f"{self.env['SUPABASE_URL']}/storage/v1/object"
        return httpx.Client(base_url=url, headers=headers, timeout=120)


@contextlib.contextmanager
def chosen_server(folder: Path, postgres: str, *, erase: bool) -> Iterator[Server]:
    """Give the Supabase in the environment, or else an embedded one in ``folder``.

    The former is left empty. Raises BenchmarkError if it has rows, unless ``erase`` allows to
    remove them.
    """
    if all(os.environ.get(name) for name in NEEDED):
        env = {name: os.environ[name] for name in NEEDED}
        server = Server(env, env["DATABASE_URL"], None)
        if not erase:
            _refuse_rows(server)
        try:
            yield server
        finally:
            server.erase()
        return
    with embedded_server(folder, postgres) as server:
        yield server


@contextlib.contextmanager
def embedded_server(
    folder: Path, postgres: str, *, seconds_per_gb: float = 0.0
) -> Iterator[Server]:
    """Run an embedded Supabase in ``folder``, with a Storage that may be slow."""
    with running(folder, postgres=postgres, seconds_per_gb=seconds_per_gb) as stack:
        yield Server(dict(stack), _admin(Data(folder), stack["DATABASE_URL"]), stack.pid)


def _refuse_rows(server: Server) -> None:
    ((contacts, imports),) = server.ask(
        "SELECT (SELECT count(*) FROM contacts), (SELECT count(*) FROM imports)"
    )
    if contacts or imports:
        raise BenchmarkError(
            f"This Supabase has {contacts:,} contacts and {imports:,} imports, and a benchmark"
            " removes them all. Say --erase if they may go."
        )


def _admin(data: Data, url: str) -> str:
    secrets = Secrets.load_or_create(data.secrets)
    return make_dsn(url, user=SUPERUSER, password=secrets.admin_password)


@contextlib.contextmanager
def _connected(dsn: str) -> Iterator[psycopg2.extensions.cursor]:
    with contextlib.closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True  # CHECKPOINT cannot run in a transaction
        with connection.cursor() as cursor:
            yield cursor


def _look_at_clock(cursor: psycopg2.extensions.cursor) -> tuple[float, float]:
    """Return how long a query took, and the difference of the clocks in its middle."""
    before = time.time()
    cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
    ((there,),) = cursor.fetchall()
    after = time.time()
    return after - before, there - (before + after) / 2


def _remove(client: httpx.Client, folder: str = "") -> None:
    while names := [f"{folder}{entry['name']}" for entry in _entries(client, folder)]:
        client.request("DELETE", f"/{BUCKET}", json={"prefixes": names}).raise_for_status()


def _entries(client: httpx.Client, folder: str = "") -> list[dict[str, Any]]:
    return [entry for entry in _listed(client, folder) if entry["id"]]


def _listed(client: httpx.Client, folder: str = "") -> list[dict[str, Any]]:
    query = {"prefix": folder, "limit": 1000}
    listed: list[dict[str, Any]] = client.post(f"/list/{BUCKET}", json=query).json()
    return listed
