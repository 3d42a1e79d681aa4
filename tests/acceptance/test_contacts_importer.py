"""The command ``contacts-importer``, as an operator runs it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from deploy.migrations import MigrationError, migrate, migrations_in
from embedded.migrations import apply_migrations
from local.ports import free_port
from local.processes import PROJECT, worker_environment
from tests.acceptance.conftest import ENDED, Importer
from tests.support.new_database import MIGRATIONS, new_database, run

COMMAND = PROJECT / "contacts-importer"
PATIENCE = 60
RECORDED = """
    select version, name, statements from supabase_migrations.schema_migrations order by version
"""


def called(
    *arguments: str, env: Mapping[str, str], folder: Path = PROJECT
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture
def database(embedded_env: Mapping[str, str]) -> Iterator[str]:
    """The connection string of an empty database with Storage's tables."""
    with new_database(embedded_env) as dsn:
        yield dsn


@pytest.fixture
def database_url(embedded_env: Mapping[str, str], database: str) -> str:
    """The same as an address."""
    name = dict(pair.split("=", 1) for pair in database.split())["dbname"].strip("'")
    address, _, query = embedded_env["DATABASE_URL"].partition("?")
    return f"{address.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


def test_migrate_applies_each_migration_once(database: str, database_url: str) -> None:
    files = [one.path.name for one in migrations_in(MIGRATIONS)]

    first = called("migrate", env={"DATABASE_URL": database_url})
    second = called("migrate", env={"DATABASE_URL": database_url})

    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert first.stdout.splitlines() == [
        *[f"applied {name}" for name in files],
        "the database is up to date",
    ]
    assert second.stdout == "the database is up to date\n"
    assert run(database, RECORDED) == [
        (one.version, one.name, [one.path.read_text("utf-8")]) for one in migrations_in(MIGRATIONS)
    ]


def test_migrate_continues_what_another_program_began(database: str, tmp_path: Path) -> None:
    """The embedded stack records migrations as the Supabase CLI does."""
    begun, *rest = migrations_in(MIGRATIONS)
    (tmp_path / begun.path.name).write_text(begun.path.read_text("utf-8"))
    apply_migrations(database, tmp_path)

    applied = list(migrate(database, MIGRATIONS))

    assert applied == rest
    assert apply_migrations(database, MIGRATIONS) == []


def test_migrations_of_the_projects_own_are_left_alone(database: str, tmp_path: Path) -> None:
    (tmp_path / "20200101000000_theirs.sql").write_text("create table theirs (id int)")
    apply_migrations(database, tmp_path)

    assert list(migrate(database, MIGRATIONS)) == migrations_in(MIGRATIONS)
    assert run(database, "select to_regclass('public.theirs')::text") == [("theirs",)]


def test_two_that_migrate_at_a_time_wait_for_each_other(database: str, tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}_table.sql").write_text(f"create table t{number} (id int)")

    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(lambda: list(migrate(database, tmp_path))) for _ in range(3)]
        applied = [one for run_of_one in runs for one in run_of_one.result(PATIENCE)]

    assert sorted(applied, key=lambda one: one.version) == migrations_in(tmp_path)


def test_a_migration_that_fails_is_rolled_back_and_those_before_it_stay(
    database: str, tmp_path: Path
) -> None:
    (tmp_path / "1_good.sql").write_text("create table good (id int)")
    (tmp_path / "2_bad.sql").write_text("create table bad (id int); select 1 / 0")
    (tmp_path / "3_after.sql").write_text("create table after (id int)")

    with pytest.raises(MigrationError, match=r"2_bad\.sql failed: division by zero"):
        list(migrate(database, tmp_path))

    assert [version for version, *_ in run(database, RECORDED)] == ["1"]
    assert run(database, "select to_regclass('bad')::text, to_regclass('good')::text") == [
        (None, "good")
    ]


def test_migrate_ends_with_3_without_a_database() -> None:
    url = f"postgresql://u:secret@127.0.0.1:{free_port()}/db"

    done = called("migrate", env={"DATABASE_URL": url})

    assert done.returncode == 3
    assert done.stderr.startswith("The database cannot be reached: ")
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_it_runs_from_any_folder_and_through_a_link(tmp_path: Path, importer: Importer) -> None:
    """Modules of the current folder must not take the place of the importer's own."""
    (tmp_path / "contacts-importer").symlink_to(COMMAND)
    for name in ("service.py", "tasks.py", "config.py", "deploy.py", "dramatiq.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')")
    job = importer.post([{"name": "Ada"}])

    done = subprocess.run(
        ["./contacts-importer", "once", "--threads", "2"],
        cwd=tmp_path,
        env=importer.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("queue is empty: ")
    assert importer.counts(job) == (1, 0)


def test_workers_are_scaled_by_what_waits(importer: Importer) -> None:
    """The query of KEDA's scaler, on the queue of an importer without workers."""
    text = (PROJECT / "deploy" / "kubernetes" / "scaling.yaml").read_text()
    query = yaml.safe_load(text)["spec"]["triggers"][0]["metadata"]["query"]
    before = importer.query(query)[0][0]

    importer.post([{"name": "Ada"}])
    waiting = importer.query(query)[0][0]
    called("once", env=importer.environment())

    assert (before, waiting, importer.query(query)) == (0, 1, [(0,)])


def test_sweep_ends_with_0(importer: Importer) -> None:
    done = called("sweep", env=importer.environment())

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("swept: ")


def test_web_and_worker_import_and_stop_on_sigterm(importer: Importer, tmp_path: Path) -> None:
    """The lines of the Procfile, with the addresses of this test."""
    port, metrics = free_port(), free_port()
    env = {
        **worker_environment(importer.env, tmp_path / "metrics", metrics),
        "PORT": str(port),
    }
    url = f"http://127.0.0.1:{port}"

    with (tmp_path / "log").open("wb") as log:
        processes = [
            subprocess.Popen(
                [COMMAND, *arguments], env={**os.environ, **env}, stdout=log, stderr=log
            )
            for arguments in (["web"], ["worker", "--processes", "1", "--threads", "2"])
        ]
        try:
            await_ok(f"{url}/readyz")
            answer = httpx.post(f"{url}/import", json={"source": "cli", "data": [{"name": "Ada"}]})
            # Dramatiq serves its metrics after the workers have started.
            await_ok(f"http://127.0.0.1:{metrics}/metrics")
            await_end(url + answer.headers["Location"])
            health = [called("health", name, env=env).returncode for name in ("web", "worker")]
            commands = [psutil.Process(process.pid).cmdline()[1:4] for process in processes]
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            codes = [process.wait(PATIENCE) for process in processes]

    assert commands == [["-m", "service"], ["-m", "dramatiq", "tasks"]]
    assert health == [0, 0]
    assert [called("health", name, env=env).returncode for name in ("web", "worker")] == [1, 1]
    assert codes == [0, 0], (tmp_path / "log").read_text()


def await_ok(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.05)


def await_end(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while (shown := httpx.get(url).json())["state"] not in ENDED:
        assert time.monotonic() < deadline, shown
        time.sleep(0.05)
    assert (shown["state"], shown["imported"]) == ("completed", 1)
