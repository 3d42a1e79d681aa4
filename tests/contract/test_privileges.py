"""Only the service role has access through PostgREST and Storage."""

import time
import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import psycopg2
import pytest

DENIED = "42501"
SERVICE_ROLE = "service_role"
STRANGERS = ["anon", "authenticated"]

TABLES = """
    select c.oid, c.relname, (
      select attname from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped
      order by attnum limit 1)
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
    order by c.relname
"""
FUNCTIONS = """
    select p.oid, p.proname, array(
        select name from unnest(p.proargnames, p.proargmodes) as argument (name, mode)
        where mode is null or mode in ('i', 'b', 'v')), p.prosecdef, p.proconfig,
      p.pronargs = 1 and p.proargnames is null
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.prorettype <> 'trigger'::regtype
      and not exists (select from pg_depend where objid = p.oid and deptype = 'e')
    order by p.proname
"""
OURS = {"contacts", "imports", "import_parts", "import_rejections", "sweeps"}
SOME_OF_OURS = {"enqueue_message", "create_import", "discard_import", "start_part", "lost_imports"}
TABLE_PRIVILEGES = "select, insert, update, delete, truncate, references, trigger"


@dataclass(frozen=True)
class Table:
    oid: int
    name: str
    column: str

    @property
    def nothing(self) -> dict[str, str]:
        """A condition that no row meets, should the request be let through."""
        return {"and": f"({self.column}.is.null,{self.column}.not.is.null)"}


@dataclass(frozen=True)
class Function:
    oid: int
    name: str
    arguments: list[str]
    as_owner: bool
    settings: list[str] | None
    takes_text: bool
    """Whether its only argument has no name: the body of the request."""


class Database:
    """A connection of the owner of the tables."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def value(self, statement: str, *values: object) -> Any:
        return self.rows(statement, *values)[0][0]

    def undo(self) -> None:
        self._connection.rollback()

    def tables(self) -> list[Table]:
        return [Table(*row) for row in self.rows(TABLES)]

    def functions(self) -> list[Function]:
        return [Function(*row) for row in self.rows(FUNCTIONS)]


@pytest.fixture
def database(supabase_env: Mapping[str, str]) -> Iterator[Database]:
    connection = psycopg2.connect(supabase_env["DATABASE_URL"])
    yield Database(connection)
    connection.close()


@pytest.fixture
def callers(supabase_env: Mapping[str, str], anon_key: str) -> Iterator[dict[str, httpx.Client]]:
    """A client for each role that this Supabase has a key for."""
    tokens = {"anon": anon_key, SERVICE_ROLE: supabase_env["SUPABASE_SERVICE_ROLE_KEY"]}
    if "SUPABASE_JWT_SECRET" in supabase_env:
        tokens["authenticated"] = a_users_token(supabase_env["SUPABASE_JWT_SECRET"])
    clients = {role: client_of(supabase_env, anon_key, token) for role, token in tokens.items()}
    yield clients
    for client in clients.values():
        client.close()


def a_users_token(secret: str) -> str:
    claims = {"role": "authenticated", "sub": str(uuid.uuid4()), "exp": int(time.time()) + 600}
    return jwt.encode(claims | {"aud": "authenticated"}, secret, algorithm="HS256")


def client_of(env: Mapping[str, str], anon_key: str, token: str) -> httpx.Client:
    key = token if token == env["SUPABASE_SERVICE_ROLE_KEY"] else anon_key
    headers = {"apikey": key, "Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=env["SUPABASE_URL"], headers=headers, timeout=60)


@pytest.fixture(params=STRANGERS)
def stranger(request: pytest.FixtureRequest, callers: dict[str, httpx.Client]) -> httpx.Client:
    if request.param not in callers:
        pytest.skip("SUPABASE_JWT_SECRET is not known")
    return callers[request.param]


def requests_for(table: Table) -> Iterator[dict[str, Any]]:
    """Each kind of request for a table; none changes a row, even if it is allowed."""
    url = f"/rest/v1/{table.name}"
    yield {"method": "GET", "url": url, "params": table.nothing}
    yield {"method": "HEAD", "url": url, "params": table.nothing}
    yield {"method": "POST", "url": url, "json": []}
    upsert = {"Prefer": "resolution=merge-duplicates"}
    yield {"method": "POST", "url": url, "json": [], "headers": upsert}
    change = {table.column: None}
    yield {"method": "PATCH", "url": url, "params": table.nothing, "json": change}
    yield {"method": "DELETE", "url": url, "params": table.nothing}


def denied(answer: httpx.Response) -> bool:
    """Whether Postgres itself denied it; the answer to HEAD has no body."""
    if answer.status_code not in {401, 403}:
        return False
    return answer.request.method == "HEAD" or answer.json()["code"] == DENIED


def test_catalogue_lists_our_tables_and_functions(database):
    assert {table.name for table in database.tables()} >= OURS
    assert {function.name for function in database.functions()} >= SOME_OF_OURS


def test_roles_without_privileges_are_denied_every_table(database, stranger):
    passed = [
        (request, answer.text)
        for table in database.tables()
        for request in requests_for(table)
        if not denied(answer := stranger.request(**request))
    ]
    assert passed == []


def test_service_role_may_read_and_change_rows_and_no_more(database):
    """Supabase's default privileges let it truncate tables, refer to them and make triggers."""
    found = database.rows(
        """
        select c.relname, array_agg(p.privilege order by p.privilege)
        from pg_class c
        cross join unnest(%s::text[]) as p (privilege)
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
          and has_table_privilege('service_role', c.oid, p.privilege)
        group by c.relname
        """,
        TABLE_PRIVILEGES.split(", "),
    )
    rights = dict(found)
    assert rights.keys() >= OURS
    assert {" ".join(rights[name]) for name in OURS} == {"delete insert select update"}


def test_service_role_may_make_the_same_requests(database, callers):
    denied = [
        (request, answer.text)
        for table in database.tables()
        if table.name in OURS
        for request in requests_for(table)
        if not (answer := callers[SERVICE_ROLE].request(**request)).is_success
    ]
    assert denied == []


def test_roles_without_privileges_are_denied_every_function(database, stranger):
    """An answer of "permission denied" proves that the function was found by its arguments."""
    passed = []
    for function in database.functions():
        sent: dict[str, Any] = {"json": dict.fromkeys(function.arguments)}
        if function.takes_text:
            sent = {"content": b"", "headers": {"Content-Type": "text/plain"}}
        answer = stranger.post(f"/rest/v1/rpc/{function.name}", **sent)
        if not denied(answer):
            passed.append((function.name, answer.text))
    assert passed == []


@pytest.mark.parametrize("role", STRANGERS)
def test_anon_and_authenticated_have_no_privilege(database, role):
    """This includes privileges that no request of PostgREST needs."""
    tables, functions = database.tables(), database.functions()
    may = [
        table.name
        for table in tables
        if database.value(
            "select has_table_privilege(%s, %s::oid, %s) "
            "or has_any_column_privilege(%s, %s::oid, 'select, insert, update, references')",
            role, table.oid, TABLE_PRIVILEGES, role, table.oid,
        )
    ]  # fmt: skip
    may += [
        function.name
        for function in functions
        if database.value(
            "select has_function_privilege(%s, %s::oid, 'execute')", role, function.oid
        )
    ]
    assert may == []
    assert not database.value("select has_schema_privilege(%s, 'dramatiq', 'usage, create')", role)


def test_every_table_has_row_level_security_and_no_policy(database):
    guarded = database.rows(
        "select relname from pg_class where relnamespace = 'public'::regnamespace "
        "and relrowsecurity and not exists (select from pg_policy where polrelid = pg_class.oid)"
    )
    assert {name for (name,) in guarded} >= OURS


def test_security_definer_functions_have_an_empty_search_path(database):
    as_owner = [function for function in database.functions() if function.as_owner]
    assert {function.name for function in as_owner} >= {"enqueue_message", "discard_import"}
    assert [f.name for f in as_owner if 'search_path=""' not in (f.settings or [])] == []


@pytest.mark.parametrize("header", ["Accept-Profile", "Content-Profile"])
def test_schema_of_the_queue_is_not_served(callers, header):
    method = "GET" if header == "Accept-Profile" else "POST"
    for client in callers.values():
        answer = client.request(method, "/rest/v1/queue", headers={header: "dramatiq"})
        assert (answer.status_code, answer.json()["code"]) == (406, "PGRST106")


@pytest.fixture
def kept(callers: dict[str, httpx.Client]) -> Iterator[str]:
    """The path of an object in the bucket."""
    path = f"imports/contract-{uuid.uuid4()}.json"
    owner = callers[SERVICE_ROLE]
    owner.post(f"/storage/v1/object/{path}", content=b"[1]").raise_for_status()
    yield path
    assert owner.get(f"/storage/v1/object/{path}").content == b"[1]"
    owner.delete(f"/storage/v1/object/{path}").raise_for_status()


def test_imports_bucket_is_private(callers):
    bucket = callers[SERVICE_ROLE].get("/storage/v1/bucket/imports").json()
    assert bucket["public"] is False


def test_roles_without_privileges_read_nothing_in_the_bucket(stranger, kept):
    for kind in ("object", "object/authenticated", "object/public", "object/info"):
        answer = stranger.get(f"/storage/v1/{kind}/{kept}")
        assert answer.is_client_error, (kind, answer.text)
        assert b"[1]" not in answer.content
    name = kept.partition("/")[2]
    listed = stranger.post(
        "/storage/v1/object/list/imports", json={"prefix": "", "search": name, "limit": 10}
    )
    assert name not in listed.text
    assert stranger.get("/storage/v1/bucket/imports").is_client_error
    assert "imports" not in stranger.get("/storage/v1/bucket").text


def test_roles_without_privileges_write_nothing_in_the_bucket(stranger, callers, kept):
    """The fixture checks afterwards that the object is unchanged."""
    name = f"contract-{uuid.uuid4()}.json"
    upsert = {"x-upsert": "true"}
    answers = [
        stranger.post(f"/storage/v1/object/imports/{name}", content=b"x"),
        stranger.post(f"/storage/v1/object/{kept}", content=b"x", headers=upsert),
        stranger.put(f"/storage/v1/object/{kept}", content=b"x"),
        stranger.delete(f"/storage/v1/object/{kept}"),
        stranger.post("/storage/v1/bucket", json={"id": name, "name": name}),
        stranger.delete("/storage/v1/bucket/imports"),
        stranger.post("/storage/v1/upload/resumable", headers=resumable(name)),
    ]
    assert [answer.text for answer in answers if not answer.is_client_error] == []
    removed = {"prefixes": [kept.partition("/")[2]]}
    stranger.request("DELETE", "/storage/v1/object/imports", json=removed)
    assert callers[SERVICE_ROLE].get(f"/storage/v1/object/imports/{name}").is_client_error


def resumable(name: str) -> dict[str, str]:
    bucket, encoded = (b64encode(text.encode()).decode() for text in ("imports", name))
    metadata = f"bucketName {bucket},objectName {encoded}"
    return {"Tus-Resumable": "1.0.0", "Upload-Length": "1", "Upload-Metadata": metadata}
