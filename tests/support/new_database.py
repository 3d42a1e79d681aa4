"""A new database on the Postgres under test, for tests that need one of their own."""

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg2
from psycopg2.extensions import make_dsn

SUPABASE = Path(__file__).resolve().parents[2] / "supabase"
MIGRATIONS, SCHEMAS = SUPABASE / "migrations", SUPABASE / "schemas"
STORAGE = """
    create schema storage;
    create table storage.buckets (id text primary key, name text, public boolean);
"""


@contextlib.contextmanager
def new_database(env: Mapping[str, str]) -> Iterator[str]:
    """The connection string of a new database, with the tables of Storage that matter here."""
    name = f"schema_{uuid.uuid4().hex}"
    server = psycopg2.connect(env["DATABASE_URL"])
    server.autocommit = True
    try:
        with server.cursor() as cursor:
            cursor.execute(f"create database {name} template template0")
            try:
                dsn = make_dsn(env["DATABASE_URL"], dbname=name)
                run(dsn, STORAGE)
                yield dsn
            finally:
                cursor.execute(f"drop database {name} (force)")
    finally:
        server.close()


def run(dsn: str, statements: str) -> list[tuple[str, ...]]:
    with (
        contextlib.closing(psycopg2.connect(dsn)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statements)
        return cursor.fetchall() if cursor.description else []
