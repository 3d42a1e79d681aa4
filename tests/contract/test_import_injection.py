"""What clients send is data: never a line of the log, never a path."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.support.forms import field, form
from tests.support.proxy import Proxy
from tests.support.raw_http import RawConnection
from tests.support.service import Service
from tests.support.traces import SOURCE

JSON = "application/json"
CSV = "text/csv"
CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))] + ["\u2028", "\u2029"]
DRESSED_UP = {
    "quotes": f'{SOURCE}","level":"error',
    "markup": f"{SOURCE}<script>'; drop table contacts; --",
    "path": f"../../{SOURCE}/..%2f",
    "format": f"{SOURCE} %s {{0}} ${{HOME}}",
}


@pytest.fixture(autouse=True)
def all_lines_are_sound(service: Service) -> Iterator[None]:
    """Assert after each test that the service's log is JSON in ASCII, one event a line."""
    service.forget_lines()
    yield
    while not service.lines.empty():
        line = service.lines.get_nowait()
        assert {"event", "level", "logger", "timestamp"} <= set(line), line


def status_and_code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("char", CONTROLS, ids=lambda char: f"U+{ord(char):04X}")
def test_control_characters_in_source_are_rejected(client, char):
    source = f"a{char}b"
    assert status_and_code(client.post("/import", json={"source": source, "data": []})) == (
        422,
        "source_invalid",
    )
    headers = {"Content-Type": CSV}
    by_address = client.post("/import", params={"source": source}, content=b"", headers=headers)
    assert status_and_code(by_address) == (422, "source_invalid")


@pytest.mark.parametrize(
    ("escape", "expected"),
    [
        ("\\ud800", (422, "source_invalid")),
        ("\\ud83d", (422, "source_invalid")),
        ("\\udc00\\ud800", (400, "malformed_json")),
    ],
)
def test_lone_surrogates_in_source_are_rejected(client, escape, expected):
    body = f'{{"source": "a{escape}", "data": []}}'
    answer = client.post("/import", content=body, headers={"Content-Type": JSON})
    assert status_and_code(answer) == expected


@pytest.mark.parametrize("source", DRESSED_UP.values(), ids=DRESSED_UP)
def test_hostile_source_is_stored_and_logged_unchanged(client, service, traces, source):
    answer = client.post("/import", json={"source": source, "data": []})
    assert answer.status_code == 202
    job = answer.json()["jobId"]
    line = service.await_line(lambda line: line["event"] == "import accepted")
    assert (line["source"], line["level"], line["job_id"]) == (source, "info", job)
    assert traces.import_row(job)["object"] == f"{job}.json"
    assert client.get(f"/import/{job}").json()["source"] == source
    traces.rows("update imports set source = %s where id::text = %s returning id", SOURCE, job[7:])


FILE_NAMES = [
    "../../../../etc/passwd.csv",
    "..%2f..%2fpasswd.csv",
    "/etc/cron.d/x.csv",
    "C:\\\\Windows\\\\x.csv",
    "a\u202evsc.csv",
    "x.csv\\0.csv",
    "con.csv",
    "." * 200 + ".csv",
]


@pytest.mark.parametrize("name", FILE_NAMES)
def test_file_name_of_a_form_is_not_used_as_a_path(client, traces, name):
    body, kind = form([field("source", SOURCE.encode()), field("file", b"name\nA\n", name)])
    answer = client.post("/import", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 202, answer.text
    job = answer.json()["jobId"]
    assert traces.import_row(job)["object"] == f"{job}.csv"
    assert traces.object(job, "csv") == b"name\nA\n"


ID = "01890000-0000-7000-8000-000000000000"
NO_JOBS = [
    "../readyz",
    "..%2freadyz",
    "%2e%2e/metrics",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    f"import-{ID}%00",
    f"import-{ID}%0a",
    f"import-{ID}%0d%0aX-Forged:%20yes",
    f"import-{ID}/..",
    f"import-{ID}.json",
    f"import-{ID.upper().replace('0', 'A', 1)}",
    f"import-%7B{ID}%7D",
    f"import-urn:uuid:{ID}",
    f"import-{ID.replace('-', '')}",
    f"import-{ID}?select=*",
    "import-*",
    "import-%e2%80%ae",
    "import-%ff%fe",
    "a" * 2000,
]


@pytest.mark.parametrize("job", NO_JOBS)
def test_invalid_job_id_is_404_without_a_database_call(service, proxy: Proxy, job):
    """Sent over a raw connection, because clients normalise paths."""
    proxy.reset()
    wire = RawConnection(service)
    wire.send(f"GET /import/{job} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    status, headers, body = wire.answer()
    wire.close()
    assert proxy.seen == []
    assert headers["content-type"] == "application/problem+json"
    if job.endswith("?select=*"):
        assert (status, json.loads(body)["code"]) == (422, "unknown_option")
    else:
        assert status == 404
        assert json.loads(body)["code"] in {"import_not_found", "not_found"}
    assert "x-forged" not in headers


HEAD = (
    b"POST /import HTTP/1.1\r\nHost: localhost\r\nContent-Type: %b\r\nContent-Length: 2\r\n%b\r\n{}"
)
TYPES = [b"\x1b[2J", b"a/b;\xe2\x80\xae", b"text/\xff", b'multipart/form-data; boundary="\x9b2J"']


@pytest.mark.parametrize("kind", TYPES)
def test_header_values_are_in_no_answer_and_no_log(service, kind):
    wire = RawConnection(service)
    wire.send(HEAD % (kind, b"X-Request-Id: \xe2\x80\xae\x9b\r\nConnection: close\r\n"))
    status, _, body = wire.answer()
    wire.close()
    assert 400 <= status < 500
    assert body.decode().replace("\n", "").isprintable()


def test_text_of_a_record_is_in_no_answer_and_no_log(client, service):
    text = "tell-tale\x1b[2J"
    record = json.dumps({"name": text, "email": text})
    body = f'{{"source": "{SOURCE}", "data": [{record}, {record} oops]}}'
    answer = client.post("/import", content=body, headers={"Content-Type": JSON})
    assert status_and_code(answer) == (400, "malformed_json")
    assert "tell-tale" not in answer.text
    line = service.await_line(lambda line: line["event"] == "request rejected")
    assert "tell-tale" not in json.dumps(line)
