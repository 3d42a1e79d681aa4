"""The roles and grants of a hosted Supabase, created once by the superuser.

The default privileges are those of projects from before May 2026, which grant access to everything
in ``public`` to all roles: what is closed here is closed in every project.
"""

import contextlib

import psycopg2
from psycopg2 import sql

from embedded.keys import Secrets

DONE = "SELECT 1 FROM pg_roles WHERE rolname = 'authenticator'"

ROLES = """
CREATE ROLE postgres LOGIN CREATEDB CREATEROLE REPLICATION BYPASSRLS PASSWORD {postgres};
CREATE ROLE anon NOLOGIN NOINHERIT;
CREATE ROLE authenticated NOLOGIN NOINHERIT;
CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS;
CREATE ROLE authenticator LOGIN NOINHERIT PASSWORD {authenticator};

GRANT anon, authenticated, service_role TO authenticator;
GRANT anon, authenticated, service_role, authenticator TO postgres WITH ADMIN OPTION;
GRANT pg_monitor, pg_read_all_data, pg_signal_backend TO postgres WITH ADMIN OPTION;

ALTER ROLE anon SET statement_timeout = '3s';
ALTER ROLE authenticated SET statement_timeout = '8s';
ALTER ROLE authenticator SET statement_timeout = '8s';
ALTER ROLE authenticator SET lock_timeout = '8s';

ALTER DATABASE postgres OWNER TO postgres;
ALTER DATABASE postgres SET search_path = "$user", public, extensions;

CREATE SCHEMA extensions AUTHORIZATION postgres;
GRANT USAGE ON SCHEMA extensions TO anon, authenticated, service_role;

GRANT ALL ON SCHEMA public TO postgres;
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public
    GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public
    GRANT ALL ON ROUTINES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public
    GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
"""

# PostgREST caches the schema; as on Supabase, it is notified of every change.
SCHEMA_WATCH = """
CREATE FUNCTION extensions.tell_postgrest() RETURNS event_trigger LANGUAGE plpgsql
    AS $$ BEGIN NOTIFY pgrst, 'reload schema'; END $$;
CREATE EVENT TRIGGER schema_changed ON ddl_command_end
    EXECUTE FUNCTION extensions.tell_postgrest();
CREATE EVENT TRIGGER schema_shrunk ON sql_drop
    EXECUTE FUNCTION extensions.tell_postgrest();
"""


def make_roles(admin_dsn: str, secrets: Secrets) -> None:
    """Create everything in one transaction, unless an earlier start did."""
    statements = sql.SQL(ROLES + SCHEMA_WATCH).format(
        postgres=sql.Literal(secrets.postgres_password),
        authenticator=sql.Literal(secrets.authenticator_password),
    )
    with (
        contextlib.closing(psycopg2.connect(admin_dsn)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(DONE)
        if cursor.fetchone() is None:
            cursor.execute(statements)
