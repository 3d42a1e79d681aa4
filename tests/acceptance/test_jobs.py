"""Retry and undo of imports, with the real commands."""

import json
from uuid import uuid4

import httpx
import psycopg2

from core.ids import new_import_id
from core.queue_messages import undo_import_message
from tests.acceptance.conftest import Importer

PEOPLE = [{"name": f"P{n}", "email": f"p{n}@example.com", "phone": "1"} for n in range(1, 300)]
BAD = [{"email": "nowhere"}]

MANY = 40_000
AMONG_OTHERS = """
    insert into contacts (name) select 'other' from generate_series(1, 3 * %(many)s);
    select create_import(
      jsonb_build_object('id', %(id)s, 'source', 'range', 'format', 'json', 'object', 'o',
                         'bytes', 1, 'records', %(many)s),
      jsonb_build_array(jsonb_build_object('part', 1, 'byte_start', 0, 'byte_end', 1,
                                           'first_record', 1, 'records', %(many)s)),
      %(message)s);
    select start_part(%(id)s, 1, %(id)s, 5);
    insert into contacts (id, name)
      select contact_id(prefix_of_import(%(id)s), n), 'P'
      from generate_series(1, %(many)s) n;
    select finish_part(%(id)s, 1, %(id)s, %(many)s, 0);
    select undo_import(%(id)s, %(message)s);
    analyze contacts
"""
COUNTED = """
    select contacts_in(p), contacts_among(p.import_id, array[1, %(many)s, %(many)s + 1])
    from import_parts p where p.import_id = %(id)s
"""
SCANS = """
    select seq_scan, n_tup_del from pg_stat_xact_user_tables where relname = 'contacts'
"""


def stored(importer: Importer, method: str, job: str, **more: object) -> httpx.Response:
    key = importer.env["SUPABASE_SERVICE_ROLE_KEY"]
    url = f"{importer.env['SUPABASE_URL']}/storage/v1/object/imports/{job}.json"
    headers = {"apikey": key, "Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return httpx.request(method, url, headers=headers, **more)  # type: ignore[arg-type]


def left(importer: Importer, source: str, job: str) -> tuple[int, int, bool]:
    """Return the counts of contacts and rejections, and whether the object exists."""
    [(contacts,)] = importer.query("select count(*) from contacts where source = %s", source)
    [(rejections,)] = importer.query(
        "select count(*) from import_rejections where import_id = %s", job.removeprefix("import-")
    )
    return contacts, rejections, stored(importer, "GET", job).is_success


def test_retry_of_a_failed_import(importer: Importer) -> None:
    job = importer.post(PEOPLE, source="retried")
    content = stored(importer, "GET", job).content
    importer.remove_object(job)
    assert importer.run("tasks", "--once").returncode == 1
    failed = importer.shown(job)
    assert (failed["state"], failed["notProcessed"]) == ("failed", len(PEOPLE))
    assert failed["failure"]["advice"]

    stored(importer, "POST", job, content=content).raise_for_status()
    again = importer.http.post(f"/import/{job}/retry")
    assert (again.status_code, again.json()["state"]) == (202, "queued")
    assert importer.run("tasks", "--once").returncode == 0

    assert importer.counts(job) == (len(PEOPLE), 0)
    assert importer.http.post(f"/import/{job}/retry").json()["code"] == "not_failed"


def test_undo_removes_everything_of_an_import_and_nothing_else(importer: Importer) -> None:
    sources = ["kept", "undone"]
    kept, undone = (importer.post(PEOPLE + BAD, source=source) for source in sources)
    assert importer.run("tasks", "--once", CONTACTS_WRITER="copy").returncode == 0
    shown = importer.shown(undone)
    assert shown["ignored"] == {"fields": ["phone"], "more": False}
    assert shown["rate"] > 0

    assert importer.http.delete(f"/import/{undone}").json()["state"] == "undoing"
    assert importer.run("tasks", "--once").returncode == 0

    assert importer.shown(undone)["state"] == "undone"
    assert left(importer, sources[1], undone) == (0, 0, False)
    assert left(importer, sources[0], kept) == (len(PEOPLE), 1, True)
    assert importer.http.delete(f"/import/{undone}").status_code == 200


def test_undo_that_the_database_rejects_fails_and_can_be_repeated(
    importer: Importer,
) -> None:
    job = importer.post(PEOPLE, source="referred to")
    assert importer.run("tasks", "--once").returncode == 0
    importer.query(
        "create table calls (contact uuid references contacts); "
        "insert into calls select id from contacts where source = 'referred to' limit 1"
    )
    try:
        assert importer.http.delete(f"/import/{job}").json()["state"] == "undoing"
        done = importer.run("tasks", "--once")

        assert (done.returncode, "1 undos failed" in done.stdout) == (1, True)
        shown = importer.shown(job)
        assert (shown["state"], shown["imported"]) == ("undo_failed", len(PEOPLE))
        failure = shown["failure"]
        assert (failure["code"], failure["contactsLeft"]) == ("undo_refused", len(PEOPLE))
        assert "23503" in failure["detail"]
        assert "DELETE" in failure["advice"]
        listed = importer.http.get("/import?state=undo_failed").raise_for_status().json()
        assert [one["jobId"] for one in listed["imports"]] == [job]
        assert importer.http.post(f"/import/{job}/retry").json()["code"] == "not_failed"
    finally:
        importer.query("drop table calls")

    assert importer.http.delete(f"/import/{job}").json()["state"] == "undoing"
    assert "failure" not in importer.shown(job)
    assert importer.run("tasks", "--once").returncode == 0
    assert importer.shown(job)["state"] == "undone"
    assert left(importer, "referred to", job) == (0, 0, False)


def test_an_import_undone_before_its_start_is_never_imported(importer: Importer) -> None:
    job = importer.post(PEOPLE, source="never")
    assert importer.http.delete(f"/import/{job}").json()["state"] == "undoing"
    assert importer.run("tasks", "--once").returncode == 0
    assert importer.shown(job)["state"] == "undone"
    assert left(importer, "never", job) == (0, 0, False)


def test_contacts_of_an_import_are_found_by_the_primary_key(importer: Importer) -> None:
    import_id = str(new_import_id())
    message = undo_import_message(new_import_id()) | {"message_id": str(uuid4())}
    values = {"id": import_id, "many": MANY, "message": json.dumps(message)}
    connection = psycopg2.connect(importer.env["DATABASE_URL"])
    try:
        with connection.cursor() as cursor:
            cursor.execute(AMONG_OTHERS, values)
            cursor.execute(SCANS)
            [(before, _)] = cursor.fetchall()
            cursor.execute(COUNTED, values)
            assert cursor.fetchall() == [(MANY, [1, MANY])]
            steps = 0
            while _undid(cursor, import_id):
                steps += 1
            cursor.execute(SCANS)
            assert cursor.fetchall() == [(before, MANY)]
            assert steps == 3
    finally:
        connection.rollback()
        connection.close()


def _undid(cursor: psycopg2.extensions.cursor, import_id: str) -> bool:
    cursor.execute("select undo_some(%s, 20000)", (import_id,))
    [(more,)] = cursor.fetchall()
    return bool(more)
