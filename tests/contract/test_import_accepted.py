"""Accepted imports over HTTP, on a real Supabase: each kind of body, small and large."""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from io import StringIO
from urllib.parse import quote

import httpx
import pytest

from core.models import Part
from core.reading.plan import FieldPlaces, ReadingPlan
from tests.support import contacts
from tests.support.contacts import MIB, csv_file, envelope, json_array
from tests.support.faults import APPEND
from tests.support.forms import field, form
from tests.support.proxy import Proxy
from tests.support.service import Service
from tests.support.traces import SOURCE, Traces

BOM = b"\xef\xbb\xbf"
JOB = re.compile(r"import-[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
JSON, NDJSON = "application/json", "application/x-ndjson"
BY_ADDRESS = f"/import?source={quote(SOURCE)}"


@dataclass(frozen=True)
class Sent:
    """A request, and the object that it must create."""

    body: bytes
    content_type: str
    stored: bytes
    format: str = "json"
    path: str = "/import"

    @property
    def records(self) -> int:
        if self.format == "json":
            return len(json.loads(self.stored.decode("utf-8-sig")))
        if self.format == "ndjson":
            return len(self.stored.splitlines())
        return len(list(csv.reader(StringIO(self.stored.decode(), newline="")))) - 1


def as_form(file: bytes, *, reverse: bool = False) -> tuple[bytes, str]:
    fields = [field("source", SOURCE.encode()), file]
    return form(fields[::-1] if reverse else fields)


def json_form(array: bytes, *, reverse: bool = False) -> Sent:
    file = field("file", b" " + array, "contacts.json", JSON)
    return Sent(*as_form(file, reverse=reverse), b" " + array)


def csv_form(rows: bytes, *, reverse: bool = False) -> Sent:
    return Sent(*as_form(field("file", rows, "a.csv"), reverse=reverse), rows, "csv")


def ndjson_form(lines: bytes) -> Sent:
    return Sent(*as_form(field("file", lines, "a.jsonl")), lines, "ndjson")


def as_lines(rows: bytes) -> bytes:
    """Return the rows of a CSV file as lines of JSON."""
    found = csv.DictReader(StringIO(rows.decode(), newline=""))
    return "".join(f"{json.dumps(row)}\n" for row in found).encode()


def data_first(array: bytes) -> Sent:
    source = json.dumps(SOURCE).encode()
    body = b'{"data":' + array + b',"more":[[{}]],"source":' + source + b"}\n"
    return Sent(body, JSON, array)


FROM_ARRAY: dict[str, Callable[[bytes], Sent]] = {
    "json": lambda array: Sent(envelope(array), JSON, array),
    "data first": data_first,
    "BOM and charset": lambda array: Sent(BOM + envelope(array), f"{JSON}; charset=UTF-8", array),
    "form with JSON": json_form,
    "form with JSON first": lambda array: json_form(array, reverse=True),
}
FROM_ROWS: dict[str, Callable[[bytes], Sent]] = {
    "form with CSV": csv_form,
    "form with CSV first": lambda rows: csv_form(rows, reverse=True),
    "CSV": lambda rows: Sent(rows, "text/csv", rows, "csv", BY_ADDRESS),
    "NDJSON": lambda rows: Sent(as_lines(rows), NDJSON, as_lines(rows), "ndjson", BY_ADDRESS),
    "form with NDJSON": lambda rows: ndjson_form(as_lines(rows)),
}


def sent_as(name: str, size: int) -> Sent:
    """Return a body of this kind, of about ``size`` bytes."""
    make = FROM_ARRAY.get(name)
    return make(json_array(size)) if make else FROM_ROWS[name](csv_file(size))


FORMS = [
    *[pytest.param(sent_as(name, 1000), id=name) for name in [*FROM_ARRAY, *FROM_ROWS]],
    pytest.param(Sent(envelope(b"[]"), JSON, b"[]"), id="nothing"),
    pytest.param(Sent(envelope(b"[ \n ]"), JSON, b"[ \n ]"), id="nothing but space"),
]


def part_records(sent: Sent, part: Part) -> list[object]:
    content = sent.stored[part.byte_start : part.byte_end]
    if sent.format == "json":
        return list(json.loads(b"[" + content + b"]"))
    if sent.format == "ndjson":
        return [json.loads(line) for line in content.splitlines()]
    return list(csv.reader(StringIO(content.decode(), newline="")))


def assert_all_is_there(answer: httpx.Response, sent: Sent, traces: Traces) -> str:
    assert answer.status_code == 202, answer.text
    job = answer.json()["jobId"]
    url = f"/import/{job}"
    assert answer.json() == {"jobId": job, "url": url, "dryRun": False, "warnings": []}
    assert JOB.fullmatch(job)
    assert answer.headers["Location"] == f"/import/{job}"
    assert traces.object(job, sent.format) == sent.stored
    row = traces.import_row(job)
    assert (row["source"], row["format"], row["state"]) == (SOURCE, sent.format, "queued")
    assert (row["bytes"], row["records"]) == (len(sent.stored), sent.records)
    assert row["object"] == f"{job}.{sent.format}"
    plan = ReadingPlan.from_json(row["plan"])
    if sent.format == "csv":
        assert plan.places == FieldPlaces(name=(0,), email=(1,))
        assert plan.header == ("Full Name", "E-Mail", "Id")
    else:
        assert plan.csv is None
        assert plan.places.name
        assert plan.places.email
    parts = traces.parts(job)
    assert_parts(parts, sent)
    queued = "imports" if len(parts) == 1 and row["bytes"] > 262_144 else "imports-small"
    [(queue, state, message)] = traces.messages(job)
    assert (queue, state, message["queue_name"]) == (queued, "queued", queued)
    expected = ("import_part", [job[7:], 1]) if len(parts) == 1 else ("import_contacts", [job[7:]])
    assert (message["actor_name"], message["args"]) == expected
    assert message["message_id"] == row["message_id"]
    return str(job)


def assert_parts(parts: list[Part], sent: Sent) -> None:
    assert [part.part for part in parts] == list(range(1, len(parts) + 1))
    assert all(part.byte_end - part.byte_start >= 6 * MIB for part in parts[:-1])
    counts = [len(part_records(sent, part)) for part in parts]
    assert counts == [part.records for part in parts]
    assert [part.first_record for part in parts] == [
        sum(counts[:at]) + 1 for at in range(len(parts))
    ]
    assert sum(counts) == sent.records


@pytest.mark.parametrize("sent", FORMS)
def test_each_form_is_accepted(client, traces, proxy, sent):
    proxy.reset()
    answer = client.post(sent.path, content=sent.body, headers={"Content-Type": sent.content_type})
    assert_all_is_there(answer, sent, traces)
    assert proxy.uploads == []


@pytest.mark.parametrize("name", ["json", "form with CSV first", "CSV"])
def test_large_bodies_are_uploaded_in_chunks(client, traces, proxy: Proxy, name):
    proxy.reset()
    sent = sent_as(name, 19 * MIB)
    answer = client.post(sent.path, content=sent.body, headers={"Content-Type": sent.content_type})
    job = assert_all_is_there(answer, sent, traces)
    assert proxy.count(APPEND) == -(-len(sent.stored) // (6 * MIB))
    assert len(proxy.uploads) == 1
    assert len(traces.parts(job)) >= 3


@pytest.mark.parametrize("size", [1000, 13 * MIB])
def test_a_body_of_undeclared_length_is_accepted(client, traces, size):
    array = json_array(size)
    sent = Sent(envelope(array), JSON, array)
    pieces = (sent.body[at : at + 77_777] for at in range(0, len(sent.body), 77_777))
    answer = client.post("/import", content=pieces, headers={"Content-Type": JSON})
    assert answer.request.headers["Transfer-Encoding"] == "chunked"
    assert_all_is_there(answer, sent, traces)


def test_the_same_body_twice_is_two_imports(client, traces):
    sent = Sent(envelope(b"[1]"), JSON, b"[1]")
    headers = {"Content-Type": JSON}
    answers = [client.post("/import", content=sent.body, headers=headers) for _ in range(2)]
    jobs = [assert_all_is_there(answer, sent, traces) for answer in answers]
    assert jobs[0] != jobs[1]


def test_get_import_shows_an_accepted_import(client, traces):
    array = json.dumps([contacts.contact(1)]).encode()
    answer = client.post("/import", content=envelope(array), headers={"Content-Type": JSON})
    shown = client.get(answer.headers["Location"])
    assert shown.status_code == 200
    assert shown.headers["Content-Type"].startswith("application/json")
    row = traces.import_row(answer.json()["jobId"])
    assert shown.json() == {
        "jobId": answer.json()["jobId"],
        "source": SOURCE,
        "format": "json",
        "state": "queued",
        "dryRun": False,
        "createdAt": row["created_at"],
        "startedAt": None,
        "finishedAt": None,
        "createdBy": None,
        "cancelledBy": None,
        "undoneBy": None,
        "expiresAt": {"object": None, "rejections": None, "import": None},
        "bytes": len(array),
        "records": 1,
        "imported": 0,
        "rejected": 0,
        "rejectedByCode": {},
        "skipped": 0,
        "skippedByCode": {},
        "warnings": [],
        "notProcessed": 1,
        "rate": None,
        "receipt": {
            "sha256": sha256(answer.request.content).hexdigest(),
            "bytes": len(answer.request.content),
        },
        "detected": row["detected"],
        "ignored": {"fields": [], "more": False},
        "parts": {"total": 1, "done": 0, "failed": 0, "cancelled": 0},
    }


@pytest.mark.parametrize(
    "job",
    [
        "import-01890000-0000-7000-8000-000000000000",
        "import-01890000-0000-4000-8000-000000000000",
        "IMPORT-01890000-0000-7000-8000-000000000000",
        "01890000-0000-7000-8000-000000000000",
        "import-",
        "import-x%27%20or%201=1",
        "%00",
    ],
)
def test_an_unknown_import_is_not_found(client, job):
    answer = client.get(f"/import/{job}")
    assert (answer.status_code, answer.json()["code"]) == (404, "import_not_found")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_healthz_and_readyz_answer_200(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = {"status": "ok", "checks": {"storage": "ok", "database": "ok"}}
    assert client.get("/readyz").json() == ready


def samples(client: httpx.Client) -> dict[str, float]:
    lines = client.get("/metrics").raise_for_status().text.splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def test_metrics_count_imports(client):
    before = samples(client)
    body = envelope(b"[1]")
    client.post("/import", content=body, headers={"Content-Type": JSON}).raise_for_status()
    client.post("/import", content=b"{", headers={"Content-Type": JSON})
    client.post("/import", content=b"{", headers={"Content-Type": "text/html"})
    after = samples(client)

    def grown(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    def grown_ours(name: str, **labels: str) -> float:
        shown = ",".join(f'{label}="{value}"' for label, value in labels.items())
        return grown(
            f"contacts_importer_{name}{{{shown}}}" if shown else f"contacts_importer_{name}"
        )

    refused = "imports_refused_total"
    assert grown_ours("imports_accepted_total", format="json") == 1
    assert grown_ours(refused, code="malformed_json", format="json") == 1
    assert grown_ours(refused, code="unsupported_media_type", format="other") == 1
    assert grown_ours("problems_total", code="malformed_json") == 1
    assert grown_ours("upload_received_bytes_total") == len(body) + 1
    assert after["contacts_importer_uploads_in_flight"] == 0
    for status in ("202", "400", "415"):
        labels = {"method": "POST", "route": "/import", "status": status}
        assert grown_ours("http_request_duration_seconds_count", **labels) == 1


def test_an_accepted_import_is_one_line_in_the_log(service: Service, client):
    service.forget_lines()
    answer = client.post("/import", content=envelope(b"[1]"), headers={"Content-Type": JSON})
    job = answer.json()["jobId"]
    line = service.await_line(lambda line: "records" in line)
    assert job[7:] in json.dumps(line)
    assert (line["level"], line["records"], line["parts"]) == ("info", 1, 1)
