"""Applies migrations in order, and records them as the Supabase CLI does."""

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import psycopg2.extensions

from embedded.errors import StackError

FILE_NAME = re.compile(r"(?P<version>\d+)_(?P<name>.+)\.sql")
RECORDS = """
CREATE SCHEMA IF NOT EXISTS supabase_migrations;
CREATE TABLE IF NOT EXISTS supabase_migrations.schema_migrations (
    version text PRIMARY KEY, statements text[], name text
);
"""
APPLIED = "SELECT version FROM supabase_migrations.schema_migrations"
RECORD = """
INSERT INTO supabase_migrations.schema_migrations (version, statements, name)
VALUES (%s, %s, %s)
"""


@dataclass(frozen=True)
class Migration:
    """A migration file; ``version`` defines the order."""

    version: str
    name: str
    path: Path


def migrations_in(folder: Path) -> list[Migration]:
    """Return all migrations in order; files with other names are ignored, as by the CLI."""
    found = ((FILE_NAME.fullmatch(path.name), path) for path in folder.glob("*.sql"))
    return sorted(
        (Migration(match["version"], match["name"], path) for match, path in found if match),
        key=lambda migration: migration.path.name,
    )


def apply_migrations(dsn: str, folder: Path) -> list[Migration]:
    """Apply the missing migrations, each in its own transaction; returns those."""
    with contextlib.closing(psycopg2.connect(dsn)) as connection:
        missing = _missing(connection, migrations_in(folder))
        for migration in missing:
            _apply(connection, migration)
    return missing


def _missing(connection: psycopg2.extensions.connection, known: list[Migration]) -> list[Migration]:
    with connection, connection.cursor() as cursor:
        cursor.execute(RECORDS)
        cursor.execute(APPLIED)
        applied = {version for (version,) in cursor.fetchall()}
    return [migration for migration in known if migration.version not in applied]


def _apply(connection: psycopg2.extensions.connection, migration: Migration) -> None:
    statements = migration.path.read_text("utf-8")
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statements)
            cursor.execute(RECORD, (migration.version, [statements], migration.name))
    except psycopg2.Error as error:
        raise StackError(f"The migration {migration.path.name} failed: {error}") from error
