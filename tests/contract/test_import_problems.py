"""Bad input over a real socket: each is answered with its problem, and nothing is left."""

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from service.intake.decompression import zstd
from service.option_names import IMPORT_OPTIONS
from tests.support.contacts import MIB, csv_file, json_array
from tests.support.forms import CSV_FILE, JSON_FILE, SOURCE, field, form
from tests.support.proxy import Proxy
from tests.support.traces import Traces

JSON, CSV, NDJSON = "application/json", "text/csv", "application/x-ndjson"
BY_ADDRESS = "/import?source=s"
GOOD = b'{"source":"s","data":[]}'
LARGE = json_array(13 * MIB)
LARGE_ROWS = csv_file(13 * MIB)
DATA = b'{"source":"s","data":'
Row = tuple[str, str, str, bytes, int, str]


def bad_json() -> Iterator[tuple[str, bytes, int, str]]:
    yield "nothing", b"", 400, "malformed_json"
    yield "no JSON", b"name,email", 400, "malformed_json"
    yield "malformed envelope", b'{"source":"s" "data":[]}', 400, "malformed_json"
    yield "malformed record", DATA + b'[{"name":}]}', 400, "malformed_json"
    yield "trailing comma", DATA + b"[1,]}", 400, "malformed_json"
    yield "NaN", DATA + b"[NaN]}", 400, "malformed_json"
    yield "wrong UTF-8", DATA + b'["\xc3\xa9\xff"]}', 400, "invalid_utf8"
    yield "a character after the end", DATA + b"[]}\xc3", 422, "encoding_uncertain"
    yield "truncated", DATA + b'[{"a":1}', 400, "malformed_json"
    yield "truncated after the data", DATA + b"[]", 400, "malformed_json"
    yield "trailing garbage", GOOD + b"x", 400, "malformed_json"
    yield "two bodies", GOOD + GOOD, 400, "malformed_json"
    yield "duplicate data", DATA + b'[],"data":[]}', 400, "duplicate_key"
    yield "duplicate source", b'{"source":"s","source":"t","data":[]}', 400, "duplicate_key"
    yield "nested too deeply", DATA + b"[" * 10_000, 400, "nested_too_deeply"
    yield "nested too deeply outside", GOOD[:-1] + b',"x":' + b"[" * 600, 400, "nested_too_deeply"
    yield "a huge number outside", GOOD[:-1] + b',"x":' + b"1" * 9999 + b"}", 400, "number_too_long"
    yield "a huge exponent", GOOD[:-1] + b',"x":1e' + b"9" * 99 + b"}", 400, "number_too_long"
    for key in ("dryRun", "dry_run", "dryrun", "DryRun", "dry", "map", "notify", "delimeter"):
        yield f"{key} in JSON", b'{"%b":true,' % key.encode() + GOOD[1:], 422, "unknown_option"
    yield "dryRun behind", GOOD[:-1] + b',"dry\\u0052un":true}', 422, "unknown_option"
    yield "large, dryRun behind", DATA + LARGE + b',"dryRun":true}', 422, "unknown_option"
    yield "no data", b'{"source":"s"}', 422, "data_missing"
    yield "an array without a source", b"[]", 422, "source_missing"
    yield "arrays", b'{"users":[{}],"groups":[{}]}', 422, "records_ambiguous"
    yield "a PDF document", b"%PDF-1.7", 415, "unsupported_file"
    yield "data no array", DATA + b"{}}", 422, "data_not_array"
    yield "no source", b'{"data":[]}', 422, "source_missing"
    yield "source empty", b'{"source":"","data":[]}', 422, "source_invalid"
    yield "source no string", b'{"source":5,"data":[]}', 422, "source_invalid"
    yield (
        "source too long",
        json.dumps({"source": "x" * 201, "data": []}).encode(),
        422,
        "source_invalid",
    )
    yield "control character", b'{"source":"a\\u0000","data":[]}', 422, "source_invalid"
    yield "half a character", b'{"source":"\\ud800","data":[]}', 422, "source_invalid"
    yield "record too large", DATA + b'[{"a":"' + b"x" * MIB + b'"}]}', 413, "record_too_large"
    yield "too much around", GOOD[:-1] + b',"x":"' + b"x" * MIB + b'"}', 413, "envelope_too_large"
    yield "large, malformed at its end", DATA + LARGE[:-1] + b",{]}", 400, "malformed_json"
    yield "large, truncated", DATA + LARGE[:-100], 400, "malformed_json"
    yield "large, wrong UTF-8", DATA + LARGE[:-2] + b"\xff", 400, "invalid_utf8"
    yield "large, duplicate data", DATA + LARGE + b',"data":[]}', 400, "duplicate_key"
    yield "large, no source", b'{"data":' + LARGE + b"}", 422, "source_missing"
    yield "large, bad source", b'{"data":' + LARGE + b',"source":""}', 422, "source_invalid"
    yield "large, large record", DATA + LARGE[:-1] + b',"' + b"x" * MIB, 413, "record_too_large"


def bad_csv() -> Iterator[tuple[str, bytes, int, str]]:
    yield "empty CSV", b"", 422, "csv_header_unusable"
    yield "header without name or email", b"a,b\n1,2\n", 422, "csv_header_unusable"
    yield "quote never closed", b'name,email\n"a,b\n', 400, "malformed_csv"
    yield "CSV with wrong UTF-8", b"name\n\xc3\xa9 \xe9\n", 400, "invalid_utf8"
    yield "CSV with half a pair", b"name\n\xed\xa0\x80\n", 400, "invalid_utf8"
    yield "neither UTF-8 nor Windows-1252", b"name\n\xe9\n\xc3\xa9\n", 400, "invalid_text"
    yield "no Windows-1252", b"name\n\xe9\n\x81\n", 422, "encoding_uncertain"
    yield "half of UTF-16", "name\nä\n".encode("utf-16")[:-1], 400, "invalid_text"
    yield "CSV record too large", b'name\n"' + b"x\n" * MIB, 413, "record_too_large"
    yield "compressed CSV", gzip.compress(b"name\n"), 415, "wrong_encoding"
    yield "large CSV, quote never closed", LARGE_ROWS + b'"', 400, "malformed_csv"
    yield "large CSV, wrong UTF-8", LARGE_ROWS + b"\xff", 400, "invalid_utf8"


def bad_lines() -> Iterator[tuple[str, bytes, int, str]]:
    yield "no line", b"", 422, "data_missing"
    yield "blank lines", b"\n \r\n", 422, "data_missing"
    yield "a line that is no JSON", b'{"name":"a"}\nname\n', 400, "malformed_json"
    yield "a record over two lines", b'{}\n{"name":\n"a"}\n', 400, "malformed_json"
    yield "two records in a line", b"{}\n{} {}\n", 400, "malformed_json"
    yield "a deep line", b"[" * 100_000 + b"\n", 400, "nested_too_deeply"
    yield "a long line", b'"' + b"x" * MIB + b'"\n', 413, "record_too_large"
    yield "many lines, the last one cut", b'{"name":"a"}\n' * MIB + b'{"na', 400, "malformed_json"


def bad_forms() -> Iterator[tuple[str, tuple[bytes, str], int, str]]:
    body, kind = form([SOURCE, CSV_FILE])
    large = field("file", LARGE_ROWS, "a.csv")
    yield "form without a file", form([SOURCE]), 422, "file_missing"
    yield "form without a source", form([CSV_FILE]), 422, "source_missing"
    yield "form with an empty source", form([field("source", b""), CSV_FILE]), 422, "source_invalid"
    yield "form with two sources", form([SOURCE, CSV_FILE, SOURCE]), 400, "duplicate_key"
    yield "form with two files", form([SOURCE, JSON_FILE, JSON_FILE]), 400, "malformed_multipart"
    yield "form without a boundary", (body, "multipart/form-data"), 400, "malformed_multipart"
    yield "form cut off", (body[:-30], kind), 400, "malformed_multipart"
    yield (
        "form with a large header",
        form([field("x", b"", extra=b"X:" + b"y" * 9999)]),
        400,
        "malformed_multipart",
    )
    yield (
        "form with a workbook",
        form([SOURCE, field("file", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.xls")]),
        415,
        "unsupported_file",
    )
    yield (
        "form with a JSON object",
        form([SOURCE, field("file", b'{"a":1}', "a.json")]),
        422,
        "data_missing",
    )
    yield (
        "form with a malformed file",
        form([SOURCE, field("file", b"[1", "a.json")]),
        400,
        "malformed_json",
    )
    for name in ("dryrun", "dry_run", "delimeter", "note"):
        fields = [field(name, b"true"), SOURCE, CSV_FILE]
        yield f"form with a field {name}", form(fields), 422, "unknown_option"
        yield f"form with a field {name} behind", form(fields[::-1]), 422, "unknown_option"
    late = form([SOURCE, CSV_FILE, field("dryRun", b"true")])
    yield "form with a dry run behind", late, 400, "field_too_late"
    yield (
        "form with a field of no name",
        form([SOURCE, b"X: y\r\n\r\n"]),
        400,
        "malformed_multipart",
    )
    yield "large form without a source", form([large]), 422, "source_missing"
    yield "large form with two files", form([SOURCE, large, CSV_FILE]), 400, "malformed_multipart"
    yield "large form cut off", (form([SOURCE, large])[0][:-3], kind), 400, "malformed_multipart"


def table() -> Iterator[Row]:
    for name, body, status, code in bad_json():
        yield name, "/import", JSON, body, status, code
    for name, body, status, code in bad_csv():
        yield name, BY_ADDRESS, CSV, body, status, code
    for name, body, status, code in bad_lines():
        yield name, BY_ADDRESS, NDJSON, body, status, code
    for name, (body, kind), status, code in bad_forms():
        yield name, "/import", kind, body, status, code
    for kind in ("text/html", "application/xml", "application/x-www-form-urlencoded"):
        yield f"type {kind}", "/import", kind, GOOD, 415, "unsupported_media_type"
    yield "charset", "/import", f"{JSON}; charset=utf-7", GOOD, 415, "unsupported_charset"
    yield (
        "charset of CSV",
        BY_ADDRESS,
        f"{CSV}; charset=utf-7",
        b"name\n",
        415,
        "unsupported_charset",
    )
    for query, code in {
        "delimiter=ab": "delimiter_invalid",
        "delimiter=;&delimiter=,": "delimiter_invalid",
        "map=x": "mapping_invalid",
        "map=Nom:phone": "mapping_invalid",
        "map=Nom:name&map=Nom:name": "mapping_invalid",
        "encoding=klingon": "encoding_invalid",
        "header=yes": "header_invalid",
        "email=no": "email_option_invalid",
        "name=no": "name_option_invalid",
        "map=Nom:name": "csv_header_unusable",
    }.items():
        yield f"CSV with {query}", f"{BY_ADDRESS}&{query}", CSV, b"name\nAda\n", 422, code
    for query in ("dryrun=true", "dry_run=true", "delimeter=;", "dryRun=true&x=1"):
        yield f"JSON with {query}", f"/import?{query}", JSON, GOOD, 422, "unknown_option"
        yield f"CSV with {query}", f"{BY_ADDRESS}&{query}", CSV, b"name\n", 422, "unknown_option"
        yield (
            f"form with {query}",
            f"/import?{query}",
            *form([SOURCE, CSV_FILE])[::-1],
            422,
            "unknown_option",
        )
    yield "JSON with a delimiter", "/import?delimiter=;", JSON, GOOD, 422, "delimiter_invalid"
    yield "JSON with another source", "/import?source=t", JSON, GOOD, 422, "source_invalid"
    yield "CSV with two sources", f"{BY_ADDRESS}&source=s", CSV, b"name\n", 400, "duplicate_key"
    kind, whole = form([SOURCE, CSV_FILE])[::-1]
    yield "form with two sources, one in the address", BY_ADDRESS, kind, whole, 400, "duplicate_key"
    yield "JSON with no header", "/import?header=none", JSON, GOOD, 422, "header_invalid"
    yield "NDJSON without a source", "/import", NDJSON, b"{}\n", 422, "source_missing"
    yield "CSV without a source", "/import", CSV, b"name\n", 422, "source_missing"
    yield "CSV with an empty source", "/import?source=", CSV, b"name\n", 422, "source_invalid"
    yield (
        "CSV with a long source",
        "/import?source=" + "x" * 201,
        CSV,
        b"name\n",
        422,
        "source_invalid",
    )
    yield "CSV with a NUL", "/import?source=a%00", CSV, b"name\n", 422, "source_invalid"
    yield "wrong path", "/imports", JSON, GOOD, 404, "not_found"
    yield "dry run or not", "/import?dryRun=maybe", JSON, GOOD, 400, "dry_run_invalid"
    yield "path with a slash", "/import/", JSON, GOOD, 404, "not_found"


def is_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["type"] == f"/problems/{code}"
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.mark.parametrize(
    ("path", "content_type", "body", "status", "code"),
    [pytest.param(*rest, id=name) for name, *rest in table()],
)
def test_bad_input_is_rejected_with_its_code(
    client, traces: Traces, proxy: Proxy, path, content_type, body, status, code
):
    proxy.reset()
    with traces.unchanged(proxy):
        headers = {"Content-Type": content_type} if content_type else {}
        is_problem(client.post(path, content=body, headers=headers), status, code)
        assert (len(proxy.uploads) == 1) == (len(body) > 6 * MIB)


@pytest.mark.parametrize(
    ("body", "offset", "record"),
    [
        (DATA + b"[1,2,x]}              ", 26, 3),
        (DATA + b"[1],x}", 25, None),
        (DATA + b'[1,"\xc3\xa9\xff"]}', 27, 2),
    ],
)
def test_problem_has_the_offset_and_record_of_the_error(client, body, offset, record):
    answer = client.post("/import", content=body, headers={"Content-Type": JSON})
    assert (answer.json().get("offset"), answer.json().get("record")) == (offset, record)


def test_body_over_the_limit_without_content_length_is_rejected(client, traces, proxy):
    """The service of these tests takes 64 MiB."""
    piece = b'{"name":"' + b"x" * 65_000 + b'"},'
    pieces = (DATA + b"[" if at == 0 else piece for at in range(1100))
    proxy.reset()
    with traces.unchanged(proxy):
        answer = client.post("/import", content=pieces, headers={"Content-Type": JSON})
        is_problem(answer, 413, "body_too_large")
        assert len(proxy.uploads) == 1


BOMB = GOOD[:-2] + b" " * 65 * MIB + GOOD[-2:]


@pytest.mark.parametrize(
    ("encoding", "body", "status", "code"),
    [
        ("br", GOOD, 415, "unsupported_encoding"),
        ("gzip, gzip", GOOD, 415, "unsupported_encoding"),
        ("gzip", GOOD, 400, "malformed_compression"),
        ("gzip", b"", 400, "malformed_compression"),
        ("gzip", gzip.compress(GOOD)[:-1], 400, "malformed_compression"),
        ("gzip", gzip.compress(GOOD) + b"x", 400, "malformed_compression"),
        ("gzip", gzip.compress(GOOD[:-1]), 400, "malformed_json"),
        ("gzip", gzip.compress(BOMB, 1), 413, "compression_ratio_too_high"),
        ("zstd", zstd.compress(BOMB), 413, "compression_ratio_too_high"),
        ("zstd", zstd.compress(GOOD)[:-1], 400, "malformed_compression"),
    ],
)
def test_bad_compressed_body_is_rejected_with_its_code(
    client, traces, proxy, encoding, body, status, code
):
    headers = {"Content-Type": JSON, "Content-Encoding": encoding}
    with traces.unchanged(proxy):
        is_problem(client.post("/import", content=body, headers=headers), status, code)


def test_problem_of_an_unusable_csv_header_shows_it_and_what_to_do(client):
    headers = {"Content-Type": CSV}
    answer = client.post(BY_ADDRESS, content=b"Nam;Mehl\na;b\n", headers=headers)
    problem = is_problem(answer, 422, "csv_header_unusable")
    for words in ("'Nam', 'Mehl'", "';'", "?map=Nam:name"):
        assert words in problem["detail"]


def test_problem_of_ndjson_names_the_line(client):
    headers = {"Content-Type": NDJSON}
    answer = client.post(BY_ADDRESS, content=b'{"name":"a"}\n\n{"name"}\n', headers=headers)
    problem = is_problem(answer, 400, "malformed_json")
    assert problem["detail"].startswith("Line 3, ")
    assert (problem["offset"], problem["record"]) == (21, 2)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/import", "GET, HEAD, POST"),
        ("PUT", "/import", "GET, HEAD, POST"),
        ("POST", "/import/import-1", "DELETE, GET, HEAD"),
        ("POST", "/healthz", "GET, HEAD"),
        ("GET", "/import/preview", "POST"),
        ("DELETE", "/import/preview", "POST"),
        ("OPTIONS", "/import/preview", "POST"),
    ],
)
def test_unsupported_method_is_405_with_allow(client, method, path, allowed):
    answer = client.request(method, path)
    is_problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/import"),
        ("POST", "/import/preview"),
        ("POST", "/import/import-1/cancel"),
        ("DELETE", "/import/import-1"),
    ],
)
def test_cross_site_requests_are_rejected(client, method, path):
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": str(client.base_url).rstrip("/")},
        {"Origin": "http://intranet"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
    ):
        is_problem(client.request(method, path, headers=headers), 403, "cross_site")


def test_origin_of_our_own_page_is_accepted(client):
    origin = str(client.base_url).rstrip("/")
    answer = client.delete("/import/import-1", headers={"Origin": origin})
    is_problem(answer, 404, "import_not_found")


@pytest.mark.parametrize("host", ["rebound.example", "127.0.0.1.example", "", "[", "127.0.0.2:80"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/import"), ("POST", "/import"), ("GET", "/")]
)
def test_unknown_hosts_are_rejected(client, host, method, path):
    is_problem(client.request(method, path, headers={"Host": host}), 421, "host_unknown")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.:8000", "127.0.0.1", "[::1]:80"])
def test_loopback_names_are_known(client, host):
    assert client.get("/import", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/import", "/healthz", "/openapi.json", "/unknown", "/import/x"])
def test_every_answer_says_what_browsers_may_do_with_it(client, path):
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] in {"no-store", "no-cache"}


@pytest.mark.parametrize("path", ["/import", "/healthz", "/unknown"])
@pytest.mark.parametrize(
    ("sent", "taken"),
    [("req-1/A=b:c@d.e~f+g_h", True), ("a" * 128, True), ("a" * 129, False), ("a b", False)],
)
def test_each_answer_has_the_id_of_its_request(client, path, sent, taken):
    answered = client.get(path, headers={"X-Request-Id": sent}).headers["X-Request-Id"]
    assert (answered == sent) is taken
    assert re.fullmatch(r"[!-~]{1,128}", answered)


def test_each_request_without_an_id_gets_its_own(client):
    ids = {client.get("/healthz").headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_may_use_any_host(client, path):
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_requests_of_our_own_page_are_accepted(client, site):
    answer = client.delete("/import/import-1", headers={"Sec-Fetch-Site": site})
    is_problem(answer, 404, "import_not_found")
    assert client.get("/healthz", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


JOB = "/import/import-1"


@pytest.mark.parametrize(
    ("method", "path", "known"),
    [
        ("GET", "/import?stat=failed", "state, source, limit, cursor"),
        ("HEAD", "/import?stat=failed", None),
        ("GET", f"{JOB}?dryRun=true", "none"),
        ("DELETE", f"{JOB}?dryRun=true", "none"),
        ("POST", f"{JOB}/retry?dry_run=true", "none"),
        ("POST", f"{JOB}/cancel?force=true", "none"),
        ("GET", f"{JOB}/rejections?fromat=csv", "format, limit, cursor"),
        ("POST", "/import?dryrun=true", ", ".join(IMPORT_OPTIONS)),
        ("POST", "/import/preview?dryrun=true", ", ".join(IMPORT_OPTIONS)),
    ],
)
def test_unknown_query_parameters_are_rejected_by_each_route(client, method, path, known):
    answer = client.request(method, path)
    assert answer.status_code == 422
    if known is not None:
        problem = is_problem(answer, 422, "unknown_option")
        assert known in problem["detail"]


def test_unknown_option_is_rejected_before_the_body(client):
    headers = {"Content-Type": JSON, "Expect": "100-continue"}
    answer = client.post("/import?dryrun=true", content=GOOD, headers=headers)
    problem = is_problem(answer, 422, "unknown_option")
    assert 'Did you mean "dryRun"?' in problem["detail"]


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics", "/assets/page.css"])
def test_health_routes_and_pages_ignore_query_parameters(client, path):
    assert client.get(f"{path}?v=1").status_code == 200
