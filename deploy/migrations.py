"""Applies supabase/migrations, and records them as the Supabase CLI does.

Its table is supabase_migrations.schema_migrations, so ``supabase db push`` and this can be mixed.
"""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

_FILE_NAME: Final = re.compile(r"(?P<version>\d+)_(?P<name>.+)\.sql")
_LOCK: Final = 0x636F6E7461637473
"""Key of the advisory lock that one process holds at a time: "contacts" in ASCII."""
_CREATE_RECORDS: Final = (
    "create schema if not exists supabase_migrations",
    "create table if not exists supabase_migrations.schema_migrations (version text primary key)",
    # As the CLI does: its first versions recorded nothing but the version.
    "alter table supabase_migrations.schema_migrations add column if not exists statements text[]",
    "alter table supabase_migrations.schema_migrations add column if not exists name text",
)
_CONNECT_SECONDS: Final = 10


class DatabaseAddressError(Exception):
    """DATABASE_URL has parameters that libpq does not know."""


class DatabaseUnavailableError(Exception):
    """The database cannot be reached, or the connection was lost; the message has the reason."""


class MigrationError(Exception):
    """A migration failed and was rolled back; those before it stay applied."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A migration file; ``version`` defines the order."""

    version: str
    name: str
    path: Path


def migrations_in(folder: Path) -> list[Migration]:
    """Return all migrations in order; files with other names are ignored, as by the CLI."""
    found = ((_FILE_NAME.fullmatch(path.name), path) for path in folder.glob("*.sql"))
    return sorted(
        (Migration(match["version"], match["name"], path) for match, path in found if match),
        key=lambda migration: migration.path.name,
    )


def migrate(database_url: str, folder: Path) -> Iterator[Migration]:
    """Apply the missing migrations, each in a transaction of its own; yield each one after it.

    Waits while another process migrates. Raises DatabaseAddressError, DatabaseUnavailableError and
    MigrationError.
    """
    try:
        parameters: dict[str, Any] = conninfo_to_dict(database_url)
    except psycopg.ProgrammingError:
        # libpq's message may quote the password.
        raise DatabaseAddressError(
            "DATABASE_URL must be an address for libpq, with query parameters that libpq knows"
        ) from None
    parameters = {
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": "contacts-migrate",
        **parameters,
    }
    try:
        with contextlib.closing(psycopg.connect(**parameters, autocommit=True)) as connection:
            yield from _apply_missing(connection, folder)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(str(error).strip()) from None
    except psycopg.Error as error:
        raise MigrationError(f"Migrations cannot be recorded: {str(error).strip()}") from error


def _apply_missing(connection: "psycopg.Connection[Any]", folder: Path) -> Iterator[Migration]:
    # Supabase's role has a timeout of two minutes, which waiting for the lock may take.
    connection.execute("set statement_timeout = 0")
    # Of the session: it ends with the connection.
    connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
    for statement in _CREATE_RECORDS:
        connection.execute(statement.encode())
    rows = connection.execute("select version from supabase_migrations.schema_migrations")
    applied = {version for (version,) in rows.fetchall()}
    for migration in migrations_in(folder):
        if migration.version not in applied:
            _apply(connection, migration)
            yield migration


def _apply(connection: "psycopg.Connection[Any]", migration: Migration) -> None:
    statements = migration.path.read_text("utf-8")
    try:
        with connection.transaction():
            connection.execute(statements.encode())
            connection.execute(
                "insert into supabase_migrations.schema_migrations (version, statements, name) "
                "values (%s, %s, %s)",
                (migration.version, [statements], migration.name),
            )
    except psycopg.Error as error:
        if connection.closed:
            raise
        reason = str(error).strip()
        raise MigrationError(f"The migration {migration.path.name} failed: {reason}") from error
