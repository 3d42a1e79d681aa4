"""Files as users have them, from the request to the table."""

import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.acceptance.conftest import Importer

LINES = b'{"name":"Ada","email":"ada@example.com","phone":"1"}\n\n[1]\r\n{"name":"Eve","fax":2}'
FRENCH = "Prénom;Nom;Courriel;Âge\nZoë;Müller;zoe@example.com;7\n;;;\nJosé;;jose@example.com;8\n"
MANY = [{"name": f"P {n}", "email": f"p{n}@example.com"} for n in range(20_000)]
BY_ADDRESS = "/import?source=formats"


@pytest.fixture(scope="module")
def jobs(importer: Importer) -> Mapping[str, str]:
    """Three imports that the workers have completed."""
    body = json.dumps({"source": "formats", "data": MANY}).encode()
    mapping = "&map=Prénom:first_name&map=Nom:last_name&map=Courriel:email"
    jobs = {
        "ndjson": _send(importer, BY_ADDRESS, LINES, "application/x-ndjson"),
        "gzip": _send(importer, "/import", gzip.compress(body), "application/json", "gzip"),
        "french": _send(importer, BY_ADDRESS + mapping, FRENCH.encode("cp1252"), "text/csv"),
    }
    done = importer.run("tasks", "--once")
    assert done.returncode == 0, done.stderr
    return jobs


def _send(importer: Importer, path: str, body: bytes, kind: str, encoding: str = "") -> str:
    headers = {"Content-Type": kind, **({"Content-Encoding": encoding} if encoding else {})}
    answer = importer.http.post(path, content=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["jobId"])


def _contacts(importer: Importer, job: str) -> list[tuple[Any, ...]]:
    """Return record number, name and e-mail of each contact."""
    return [
        (int(tail, 16), name, email)
        for tail, name, email in importer.query(
            "select right(id::text, 9), name, email from contacts where id::text like %s "
            "order by id",
            f"{job[7:21]}8{job[22:34]}%",
        )
    ]


def _get_import(importer: Importer, job: str) -> dict[str, Any]:
    [(shown,)] = importer.query("select get_import(%s)", job.removeprefix("import-"))
    assert isinstance(shown, dict)
    return shown


def test_import_of_ndjson(importer: Importer, jobs: Mapping[str, str]) -> None:
    assert importer.counts(jobs["ndjson"]) == (2, 1)
    assert _contacts(importer, jobs["ndjson"]) == [
        (1, "Ada", "ada@example.com"), (3, "Eve", None),
    ]  # fmt: skip
    [(code, content)] = importer.query(
        "select code, content from import_rejections where import_id = %s and record = 2",
        jobs["ndjson"].removeprefix("import-"),
    )
    assert (code, content) == ("not_an_object", "[1]")
    assert _get_import(importer, jobs["ndjson"])["ignored"] == ["fax", "phone"]


def test_import_of_a_compressed_body(importer: Importer, jobs: Mapping[str, str]) -> None:
    assert importer.counts(jobs["gzip"]) == (len(MANY), 0)
    shown = _get_import(importer, jobs["gzip"])
    detected = shown["detected"]
    assert (detected["encoding"], detected["compression"]) == ("utf-8", "gzip")
    assert detected["mapping"] == {"name": "name", "email": "email"}
    assert shown["ignored"] == []


def test_import_of_csv_with_mapped_columns(importer: Importer, jobs: Mapping[str, str]) -> None:
    assert importer.counts(jobs["french"]) == (2, 0)
    assert _contacts(importer, jobs["french"]) == [
        (1, "Zoë Müller", "zoe@example.com"), (3, "José", "jose@example.com"),
    ]  # fmt: skip
    shown = _get_import(importer, jobs["french"])
    assert shown["ignored"] == ["Âge"]
    assert (shown["skipped"], shown["skipped_codes"]) == (1, {"blank_row": 1})
    detected = shown["detected"]
    assert (detected["encoding"], detected["guessed"]) == ("windows-1252", True)
    assert (detected["delimiter"], detected["skippedRows"]) == (";", 0)
    assert detected["header"] == ["Prénom", "Nom", "Courriel", "Âge"]
    assert detected["mapping"] == {
        "email": "Courriel", "first_name": "Prénom", "last_name": "Nom",
    }  # fmt: skip


def test_ignored_fields_are_shown_with_both_writers(importer: Importer) -> None:
    job = importer.post([{"name": "A", "phone": "1"}])

    done = importer.run("tasks", "--once", CONTACTS_WRITER="copy")

    assert done.returncode == 0, done.stderr
    assert _get_import(importer, job)["ignored"] == ["phone"]
