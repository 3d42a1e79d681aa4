"""The partitions of contacts that docs/scale.md shows: imports and undo work with them."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.ids import contact_id_prefix, parse_job_id
from embedded.launch import running
from local.processes import service
from tests.acceptance.conftest import Importer
from tests.support.markdown import Document
from tests.support.new_database import run

CONTACTS = [{"name": f"Person {n}", "email": f"p{n}@example.com"} for n in range(3000)]
PARTS = {"PART_BYTES": "32768"}
OWN = "insert into contacts (name, source) select 'Own ' || n, 'own' from generate_series(1, 500) n"
BY_TABLE = """
    select tableoid::regclass::text, count(*) from contacts where source = %s group by 1
"""
EXPLAIN = "explain delete from contacts where id between %s and %s"


@pytest.fixture(scope="module")
def importer() -> Iterator[Importer]:
    """An importer on a Supabase of its own, with rows from before the partitions."""
    (partitions,) = [
        block.text for block in Document.read("docs/scale.md").blocks() if block.language == "sql"
    ]
    with (
        tempfile.TemporaryDirectory() as name,
        running(Path(name) / "data") as env,
        service({**env, **PARTS}, Path(name) / "service.log") as (url, _),
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        importer = Importer(http, env, Path(name))
        run(env["DATABASE_URL"], OWN)
        import_all(importer, "before")
        run(env["DATABASE_URL"], partitions)
        yield importer


def import_all(importer: Importer, source: str, **settings: str) -> str:
    job = importer.post(CONTACTS, source)
    done = importer.run("tasks", "--once", **settings)
    assert done.returncode == 0, done.stderr
    assert importer.counts(job) == (len(CONTACTS), 0)
    return job


def this_month() -> str:
    return f"contacts_months.m{datetime.now(UTC):%Y_%m}"


def by_table(importer: Importer, source: str) -> dict[str, Any]:
    return dict(importer.query(BY_TABLE, source))


def test_rows_from_before_are_kept(importer: Importer) -> None:
    assert by_table(importer, "before") == {this_month(): len(CONTACTS)}
    assert sum(by_table(importer, "own").values()) == 500
    assert by_table(importer, "own")["contacts_months.before"] > 490


@pytest.mark.parametrize("writer", ["postgrest", "copy"])
def test_an_import_goes_to_its_month_and_its_undo_leaves_the_others(
    importer: Importer, writer: str
) -> None:
    job = import_all(importer, writer, CONTACTS_WRITER=writer)
    assert by_table(importer, writer) == {this_month(): len(CONTACTS)}
    import_id = parse_job_id(job)
    assert import_id is not None
    prefix = contact_id_prefix(import_id)
    plan = "\n".join(
        str(row) for row in importer.query(EXPLAIN, prefix + "0" * 9, prefix + "f" * 9)
    )
    assert this_month().partition(".")[2] in plan
    assert "before" not in plan
    assert importer.http.delete(f"/import/{job}").status_code == 202
    assert importer.run("tasks", "--once").returncode == 0
    assert importer.shown(job)["state"] == "undone"
    assert by_table(importer, writer) == {}
    assert sum(by_table(importer, "own").values()) == 500


def test_rows_of_its_owner_still_get_an_id_and_a_time(importer: Importer) -> None:
    run(importer.env["DATABASE_URL"], "insert into contacts (name, source) values ('A', 'later')")
    [(known, at)] = importer.query(
        "select id is not null, imported_at is not null from contacts where source = 'later'"
    )
    assert (known, at) == (True, True)


def test_the_api_serves_the_table_and_not_its_partitions(importer: Importer) -> None:
    key = importer.env["SUPABASE_SERVICE_ROLE_KEY"]
    headers = {"apikey": key, "Authorization": f"Bearer {key}"}
    api = f"{importer.env['SUPABASE_URL']}/rest/v1"
    assert httpx.get(f"{api}/contacts?limit=1", headers=headers).status_code == 200
    assert httpx.get(f"{api}/before?limit=1", headers=headers).status_code == 404
    anon = importer.env["SUPABASE_ANON_KEY"]
    headers = {"apikey": anon, "Authorization": f"Bearer {anon}"}
    assert httpx.get(f"{api}/contacts?limit=1", headers=headers).status_code == 401
