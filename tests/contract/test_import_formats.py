"""Files of all formats over HTTP: what is stored, and what is shown as detected."""

import gzip
import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from core.reading.plan import CsvDialect, FieldPlaces, ReadingPlan
from service.intake.decompression import zstd
from tests.support.contacts import MIB, csv_file, envelope, json_array
from tests.support.forms import field, form
from tests.support.traces import SOURCE, Traces

TEXT = "Nom;Courriel;Âge\nZoë;zoe@example.com;7\n"
MAPPED = {"map": ["Nom:name", "Courriel:email"]}
DETECTED = {
    "encoding": "utf-8",
    "delimiter": ";",
    "header": ["Nom", "Courriel", "Âge"],
    "skippedRows": 0,
    "mapping": {"name": "Nom", "email": "Courriel"},
    "alternatives": {},
    "certainty": {"name": "named", "email": "named"},
    "compression": None,
}


def send(
    client: httpx.Client, body: bytes, kind: str = "text/csv", encoding: str = "", **query: Any
) -> str:
    address = "/import?" + urlencode({"source": SOURCE, **query}, doseq=True)
    headers = {"Content-Type": kind, **({"Content-Encoding": encoding} if encoding else {})}
    answer = client.post(address, content=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["jobId"])


def found(traces: Traces, job: str) -> dict[str, Any]:
    [(shown,)] = traces.rows("select get_import(%s)", job.removeprefix("import-"))
    assert isinstance(shown, dict)
    return shown


@pytest.mark.parametrize(
    ("encoding", "charset", "detected"),
    [
        ("utf-8", "", "utf-8"),
        ("utf-16", "", "utf-16le"),
        ("utf-16-be", "; charset=utf-16", "utf-16be"),
        ("cp1252", "", "windows-1252"),
        ("cp1252", "; charset=ISO-8859-1", "windows-1252"),
    ],
)
def test_any_encoding_is_stored_as_utf8_and_shown(client, traces, encoding, charset, detected):
    job = send(client, TEXT.encode(encoding), f"text/csv{charset}", **MAPPED)
    assert traces.object(job, "csv") == TEXT.encode()
    row = traces.import_row(job)
    plan = ReadingPlan.from_json(row["plan"])
    assert (plan.places, plan.csv) == (FieldPlaces((0,), email=(1,)), CsvDialect(delimiter=";"))
    assert (plan.columns, plan.header) == (3, ("Nom", "Courriel", "Âge"))
    assert (row["bytes"], row["records"]) == (len(TEXT.encode()), 1)
    shown = found(traces, job)
    guess = {"guessed": True, "sample": "Âge Zoë"} if (encoding, charset) == ("cp1252", "") else {}
    assert shown["detected"] == {**DETECTED, "encoding": detected, **guess}
    assert shown["ignored"] == ["Âge"]
    warnings = client.get(f"/import/{job}").json()["warnings"]
    assert [each["code"] for each in warnings] == ["encoding_guessed"] * bool(guess)


@pytest.mark.parametrize(
    ("kind", "encoding", "size"),
    [
        ("application/json", "gzip", 1000),
        ("application/json", "zstd", 1000),
        ("text/csv", "gzip", 7 * MIB),
        ("application/x-ndjson", "zstd", 7 * MIB),
    ],
)
def test_compressed_body_is_decompressed(client, traces, kind, encoding, size):
    array = json_array(size)
    sent, ending, stored = {
        "application/json": (envelope(array), "json", array),
        "text/csv": (csv_file(size), "csv", csv_file(size)),
        "application/x-ndjson": (lines_of(array), "ndjson", lines_of(array)),
    }[kind]
    packed = gzip.compress(sent, 1) if encoding == "gzip" else zstd.compress(sent)
    job = send(client, packed, kind, encoding)
    assert traces.object(job, ending) == stored
    assert traces.import_row(job)["detected"]["compression"] == encoding


def lines_of(array: bytes) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in json.loads(array))


@pytest.mark.parametrize("name", ["a.csv.gz", "a.CSV.ZST", "a.csv"])
def test_form_options_apply_to_a_compressed_file_in_utf_16(client, traces, name):
    text = TEXT.encode("utf-16")
    packed = {"gz": gzip.compress, "ZST": zstd.compress}.get(name.rpartition(".")[2], bytes)(text)
    fields = [field("map", b"Nom:name"), field("map", b"Courriel:email"), field("delimiter", b";")]
    body, kind = form([*fields, field("file", packed, name), field("source", SOURCE.encode())])
    answer = client.post("/import", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 202, answer.text
    job = answer.json()["jobId"]
    assert traces.object(job, "csv") == TEXT.encode()
    compression = {"a.csv.gz": "gzip", "a.CSV.ZST": "zstd"}.get(name)
    detected = {**DETECTED, "encoding": "utf-16le", "compression": compression}
    assert traces.import_row(job)["detected"] == detected


def test_delimiter_is_taken_from_the_query_or_a_sep_line(client, traces):
    for text, query in [("name\tx;y\nA\t1\n", {"delimiter": "tab"}), ("sep=\t\nname\tx;y\n", {})]:
        job = send(client, text.encode(), **query)
        assert traces.object(job, "csv") == text.encode()
        plan = ReadingPlan.from_json(traces.import_row(job)["plan"])
        assert (plan.header, plan.csv) == (("name", "x;y"), CsvDialect(delimiter="\t"))


def test_encoding_of_json_is_shown(client, traces):
    job = send(client, envelope(b"[1]"), "application/json")
    assert found(traces, job)["detected"] == {
        "encoding": "utf-8",
        "compression": None,
        "mapping": {"name": "name", "email": "email"},
        "alternatives": {},
        "certainty": {"name": "sure", "email": "sure"},
    }


NESTED = b'{"users": [{"profile": {"email": "ada@example.com"}}]}'
FILES = {
    "a.json": (NESTED, "json", {"name": "name", "email": "profile.email"}),
    "a.txt": (b"Name\tE-Mail\nAda\tada@example.com\n", "csv", {"name": "Name", "email": "E-Mail"}),
    "a": (b'{"Name": "Ada"}\n{"Name": "Bob"}\n', "ndjson", {"name": "Name", "email": "email"}),
    "b.json": (
        b'{"source": "x", "data": [{"name": "Ada"}]}',
        "json",
        {"name": "name", "email": "email"},
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_read_by_their_content(client, traces, name):
    file, kind, mapping = FILES[name]
    fields = [field("source", SOURCE.encode()), field("file", file, name)]
    body, content_type = form(fields)
    answer = client.post("/import", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 202, answer.text
    row = traces.import_row(answer.json()["jobId"])
    assert (row["format"], row["source"]) == (kind, SOURCE)
    assert row["detected"]["mapping"] == mapping


def test_the_answer_has_the_warnings_of_the_plan(client):
    text = "Mitglieder\n\nName;E-Mail;Zweitadresse\nAda;ada@example.com;a@example.com\n"
    address = "/import?" + urlencode({"source": SOURCE})
    answer = client.post(address, content=text.encode(), headers={"Content-Type": "text/csv"})
    assert answer.status_code == 202, answer.text
    warnings = {each["code"]: each for each in answer.json()["warnings"]}
    assert warnings["rows_above_header"]["count"] == 1
    assert warnings["rows_above_header"]["message"]
