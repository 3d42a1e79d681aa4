"""supabase/migrations, applied in order, create the database that supabase/schemas describes.

Both are applied to new databases of the embedded Postgres. Those have no default privileges for the
API's roles, as on new Supabase projects; test_privileges looks at a project that has them.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping

import pytest

from embedded.migrations import apply_migrations
from embedded.programs import WHEEL, postgres_programs
from tests.support.new_database import MIGRATIONS, SCHEMAS, new_database, run

TABLES_WITHOUT = """
    select relname from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') and not (
      has_table_privilege('service_role', oid, 'select')
      and has_table_privilege('service_role', oid, 'insert')
      and has_table_privilege('service_role', oid, 'update')
      and has_table_privilege('service_role', oid, 'delete'))
"""
FUNCTIONS_WITHOUT = """
    select oid::regprocedure::text from pg_proc
    where pronamespace = 'public'::regnamespace
      and not has_function_privilege('service_role', oid, 'execute')
"""


def dump(dsn: str) -> list[str]:
    """All but the record of migrations, rows as well: a fresh database has a few."""
    programs = postgres_programs(os.environ.get("EMBEDDED_POSTGRES") or WHEEL, None).folder
    done = subprocess.run(
        [programs / "pg_dump", "--dbname", dsn, "--exclude-schema=supabase_migrations"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    random_keys = ("\\restrict ", "\\unrestrict ")
    return [line for line in done.stdout.splitlines() if not line.startswith(random_keys)]


@pytest.fixture(scope="module")
def migrated(embedded_env: Mapping[str, str]) -> Iterator[str]:
    with new_database(embedded_env) as dsn:
        assert apply_migrations(dsn, MIGRATIONS)
        yield dsn


@pytest.fixture(scope="module")
def described(embedded_env: Mapping[str, str]) -> Iterator[str]:
    with new_database(embedded_env) as dsn:
        files = sorted(SCHEMAS.glob("*.sql"))
        run(dsn, "\n".join(path.read_text("utf-8") for path in files))
        yield dsn


def test_the_migrations_create_what_the_schemas_describe(migrated, described):
    created, expected = dump(migrated), dump(described)
    assert "CREATE TABLE public.imports (" in expected
    assert created == expected


def test_a_new_migration_that_the_schemas_do_not_describe_is_noticed(embedded_env, described):
    with new_database(embedded_env) as dsn:
        apply_migrations(dsn, MIGRATIONS)
        run(dsn, "revoke execute on function public.contact_id from service_role")
        assert dump(dsn) != dump(described)


def test_the_service_role_is_granted_everything_explicitly(migrated):
    assert run(migrated, TABLES_WITHOUT) == []
    assert run(migrated, FUNCTIONS_WITHOUT) == []
