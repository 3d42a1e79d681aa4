"""POST /import/preview over a real socket: the first bytes are read, and nothing is kept."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from core.reading.plan import SAMPLE_BYTES
from tests.support.contacts import MIB, csv_file, envelope, json_array
from tests.support.forms import SOURCE, field, form
from tests.support.proxy import Proxy
from tests.support.raw_http import RawConnection
from tests.support.service import Service
from tests.support.traces import Traces

PREVIEW = "/import/preview"
ROWS = b"Name;E-Mail;Notiz\nAda;ada@example.com;x\nBob;bob@\nEve;;\n"


@pytest.fixture
def wire(service: Service) -> Iterator[RawConnection]:
    wire = RawConnection(service)
    yield wire
    wire.close()


def preview(client: httpx.Client, body: bytes, kind: str, query: str = "") -> dict[str, Any]:
    answer = client.post(f"{PREVIEW}{query}", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("kind", ["text/csv", "application/octet-stream", "form", "packed"])
def test_a_preview_shows_columns_and_records(client, traces: Traces, proxy: Proxy, kind):
    file = field("file", ROWS, "a.csv", "application/vnd.ms-excel")
    if kind == "packed":
        file = field("file", gzip.compress(ROWS), "a.csv.gz")
    body, content_type = (ROWS, kind) if "/" in kind else form([file])
    with traces.unchanged(proxy):
        found = preview(client, body, content_type)
    assert (found["format"], found["complete"]) == ("csv", True)
    assert found["detected"]["delimiter"] == ";"
    assert found["detected"]["mapping"] == {"name": "Name", "email": "E-Mail"}
    assert [column["name"] for column in found["columns"]] == ["Name", "E-Mail", "Notiz"]
    assert [column["field"] for column in found["columns"]] == ["name", "email", None]
    assert found["columns"][0]["samples"] == ["Ada", "Bob", "Eve"]
    first, second, third = found["records"]
    assert (first["outcome"], first["name"], first["email"]) == (
        "imported", "Ada", "ada@example.com",
    )  # fmt: skip
    assert (second["record"], second["outcome"]) == (2, "rejected")
    assert second["code"]
    assert second["message"]
    assert (third["outcome"], third["email"]) == ("imported", "")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (csv_file(MIB), "text/csv"),
        (envelope(json_array(MIB)), "application/json"),
        (json_array(MIB), "application/json"),
        (b'{"name":"Ada"}\n' * 70_000, "application/x-ndjson"),
        (b'{"name":"Ada"},\n' * 70_000, "text/plain"),
    ],
)
def test_ten_records_of_a_large_file(client, body, kind):
    whole = preview(client, body, kind)
    assert not whole["complete"]
    assert [record["record"] for record in whole["records"]] == list(range(1, 11))
    assert {record["outcome"] for record in whole["records"]} == {"imported"}
    assert preview(client, body[:SAMPLE_BYTES], kind) == whole
    packed = gzip.compress(body)
    answer = client.post(
        PREVIEW, content=packed, headers={"Content-Type": kind, "Content-Encoding": "gzip"}
    )
    assert answer.json() | {"detected": {}} == whole | {"detected": {}}
    assert answer.json()["detected"]["compression"] == "gzip"


def test_options_change_a_preview(client):
    query = "?delimiter=;&map=Notiz:name&map=E-Mail:email"
    found = preview(client, ROWS, "text/csv", query)
    assert found["detected"]["mapping"] == {"name": "Notiz", "email": "E-Mail"}
    assert found["detected"]["certainty"] == {"name": "named", "email": "named"}


def test_the_answer_comes_before_the_body_has_ended(wire):
    rows = csv_file(MIB)
    wire.head(PREVIEW, Content_Type="text/csv", Content_Length=str(60 * MIB))
    wire.send(rows)
    status, headers, body = wire.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert len(json.loads(body)["records"]) == 10
    wire.send(rows)  # the service still takes what it does not need


def test_the_answer_can_be_read_after_more_of_the_body_was_sent(wire):
    rows = csv_file(MIB)
    wire.head(PREVIEW, Content_Type="text/csv", Content_Length=str(8 * len(rows)))
    for _ in range(8):
        wire.send(rows)
    assert wire.answer()[0] == 200


def test_a_preview_of_a_small_file_keeps_the_connection(wire):
    for _ in range(3):
        wire.head(PREVIEW, Content_Type="text/csv", Content_Length=str(len(ROWS)))
        wire.send(ROWS)
        status, headers, _ = wire.answer()
        assert (status, headers.get("connection")) == (200, None)


def test_expect_100_continue_is_answered_with_100(wire):
    wire.head(
        PREVIEW, Content_Type="text/csv", Expect="100-continue", Content_Length=str(len(ROWS))
    )
    assert wire.answer() == (100, {}, b"")
    wire.send(ROWS)
    assert wire.answer()[0] == 200


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/vnd.ms-excel", 415, "unsupported_file"),
        (b'{"a":[{}],"b":[{}]}', "application/json", 422, "records_ambiguous"),
        (b'{"data":[', "application/json", 400, "malformed_json"),
        (b"", "text/csv", 422, "csv_header_unusable"),
        (b"x", "text/html", 415, "unsupported_media_type"),
        (*form([SOURCE]), 422, "file_missing"),
    ],
)
def test_problems_are_those_of_an_import(client, body, kind, status, code):
    answer = client.post(PREVIEW, content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_record_that_is_broken_after_the_sample_does_not_matter(client):
    rows = csv_file(MIB) + b'"never closed'
    assert not preview(client, rows, "text/csv")["complete"]
