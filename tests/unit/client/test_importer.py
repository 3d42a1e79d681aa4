"""One import as its client sees it: what is sent, when it is sent again, what is told."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import tenacity.nap
from contacts_import import importer as importing
from contacts_import.arguments import Arguments, parse
from contacts_import.console import result
from contacts_import.errors import RequestRejectedError, UnreachableError, UsageError
from contacts_import.importer import Accepted, Importer
from contacts_import.request import Request, derived_key, make_request
from contacts_import.source_file import Contents

JOB = "import-019305f2-3b4c-7d5e-8f60-718293a4b5c6"
ROWS = b"name,email\nAda,ada@example.com\n"
ACCEPTED = httpx.Response(202, json={"jobId": JOB})
Answer = httpx.Response | httpx.TransportError


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits; how long they would have."""
    slept: list[float] = []
    monkeypatch.setattr(tenacity.nap.time, "sleep", slept.append)
    monkeypatch.setattr(importing.time, "sleep", slept.append)
    return slept


class Service:
    """Answers one after the other, and keeps what came."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.said: list[str] = []
        http = httpx.Client(transport=httpx.MockTransport(self._answer), base_url="http://x")
        self.importer = Importer(http, self.said.append)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def silent() -> Callable[[int], None]:
    return lambda _: None


def problem(status: int, code: str, **headers: str | bytes) -> httpx.Response:
    body = {"title": "It cannot be", "detail": "Do better.", "code": code, "record": 7}
    raw = [(name.encode(), _bytes(value)) for name, value in headers.items()]
    return httpx.Response(status, json=body, headers=raw)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def job(state: str, **more: Any) -> httpx.Response:
    counts = {"records": 3, "imported": 2, "rejected": 1, "notProcessed": 0}
    return httpx.Response(200, json={"jobId": JOB, "state": state, **counts, **more})


def asked(path: Path, *options: str) -> Arguments:
    return parse([str(path), *options], {})


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_bytes(ROWS)
    return path


@pytest.fixture
def request_(rows: Path) -> Request:
    return make_request(asked(rows, "-s", "crm"), Contents(rows), "key")


def test_a_csv_file_is_the_body(request_):
    service = Service(ACCEPTED)
    counted: list[int] = []
    assert service.importer.send(request_, lambda: counted.append) == Accepted(JOB, earlier=False)
    sent = service.requests[0]
    assert sent.url.params["source"] == "crm"
    assert (sent.content, sent.headers["content-type"]) == (ROWS, "text/csv")
    assert sent.headers["content-length"] == str(len(ROWS))
    assert "transfer-encoding" not in sent.headers
    assert sent.headers["idempotency-key"] == '"key"'
    assert sum(counted) == len(ROWS)
    assert request_.contents.sha256 == hashlib.sha256(ROWS).hexdigest()


def test_a_compressed_file_is_sent_as_it_is(tmp_path):
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(ROWS))
    service = Service(ACCEPTED)
    arguments = asked(path, "-s", "crm", "--charset", "utf-8", "--delimiter", ";", "--dry-run")
    service.importer.send(make_request(arguments, Contents(path), None), silent)
    sent = service.requests[0]
    assert sent.content == path.read_bytes()
    assert sent.headers["content-encoding"] == "gzip"
    assert sent.headers["content-type"] == "text/csv; charset=utf-8"
    assert dict(sent.url.params) == {"source": "crm", "delimiter": ";", "dryRun": "true"}
    assert "idempotency-key" not in sent.headers


def test_a_json_array_goes_as_a_form_with_its_source(tmp_path):
    path = tmp_path / "secret name.json"
    path.write_bytes(b"[]")
    service = Service(ACCEPTED)
    service.importer.send(make_request(asked(path, "-s", "ä"), Contents(path), None), silent)
    sent = service.requests[0]
    boundary = sent.headers["content-type"].partition("boundary=")[2].encode()
    fields = sent.content.split(b"--" + boundary)
    assert fields[1].endswith("\r\n\r\nä\r\n".encode())
    assert b'name="file"; filename="contacts.json"' in fields[2]
    assert fields[2].endswith(b"\r\n\r\n[]\r\n")
    assert fields[3] == b"--\r\n"
    assert int(sent.headers["content-length"]) == len(sent.content)
    assert b"secret" not in sent.content


def test_a_json_file_that_says_its_source_is_the_body(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"{}")
    service = Service(ACCEPTED)
    service.importer.send(make_request(asked(path), Contents(path), None), silent)
    assert service.requests[0].content == b"{}"
    assert service.requests[0].headers["content-type"] == "application/json"


def test_a_lost_connection_is_tried_again_with_the_same_key(request_, slept):
    service = Service(httpx.ReadError("lost"), problem(503, "storage_unavailable"), ACCEPTED)
    starts: list[int] = []

    def start() -> Callable[[int], None]:
        starts.append(1)
        return lambda _: None

    assert service.importer.send(request_, start).job_id == JOB
    assert [sent.content for sent in service.requests] == [ROWS] * 3
    assert {sent.headers["idempotency-key"] for sent in service.requests} == {'"key"'}
    assert len(starts) == 3
    assert len(slept) == 2
    assert "cannot be reached (lost)" in service.said[0]
    assert "It cannot be (record 7). Do better." in service.said[1]


def test_the_service_names_the_time_to_wait(request_, slept):
    away = problem(503, "too_many_uploads", **{"Retry-After": "7"})
    Service(away, ACCEPTED).importer.send(request_, silent)
    assert slept == [7]


@pytest.mark.parametrize(
    "named", ["0", "²", "٣", "-1", "", "soon", "Wed, 21 Oct 2020 07:28:00 GMT"]
)
def test_no_named_time_makes_it_hurry(request_, slept, named):
    away = problem(503, "too_many_uploads", **{"Retry-After": named.encode()})
    Service(away, away, ACCEPTED).importer.send(request_, silent)
    assert slept == [0.5, 1]


def test_no_named_time_makes_it_wait_for_a_day(request_, slept):
    away = problem(503, "too_many_uploads", **{"Retry-After": "9" * 5000})
    Service(away, ACCEPTED).importer.send(request_, silent)
    assert slept == [60]


def test_without_a_key_nothing_is_sent_twice(rows):
    request = make_request(asked(rows, "-s", "crm"), Contents(rows), None)
    service = Service(httpx.ReadError("lost"))
    with pytest.raises(UnreachableError):
        service.importer.send(request, silent)


def test_patience_has_an_end(request_):
    service = Service(*[httpx.ConnectError("refused")] * 6)
    with pytest.raises(UnreachableError, match="refused"):
        service.importer.send(request_, silent)


def test_a_refusal_is_told_and_not_tried_again(request_):
    service = Service(problem(422, "csv_header_unusable"))
    with pytest.raises(RequestRejectedError, match="It cannot be") as refusal:
        service.importer.send(request_, silent)
    assert refusal.value.code == "csv_header_unusable"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, text="<html>"),
        httpx.Response(202, text="ok"),
        httpx.Response(202, json=[]),
    ],
)
def test_what_is_no_importer_is_told(request_, answer):
    with pytest.raises(UnreachableError, match="no contacts importer"):
        Service(answer).importer.send(request_, silent)


def test_an_earlier_import_is_told(request_):
    earlier = httpx.Response(202, json={"jobId": JOB}, headers={"Idempotent-Replayed": "true"})
    assert Service(earlier).importer.send(request_, silent) == Accepted(JOB, earlier=True)


def test_it_is_followed_to_its_end(slept):
    service = Service(job("queued"), httpx.ReadError("lost"), job("importing"), job("completed"))
    states = [each["state"] for each in service.importer.follow(JOB)]
    assert states == ["queued", "importing", "completed"]
    assert len(slept) == 3


def test_rejections_are_a_file_once_they_are_whole(tmp_path):
    path = tmp_path / "out.csv"
    service = Service(httpx.ReadError("lost"), httpx.Response(200, content=b"record,code\n"))
    service.importer.keep_rejections(JOB, path)
    assert path.read_bytes() == b"record,code\n"
    assert service.requests[0].url.path == f"/import/{JOB}/rejections"
    assert dict(service.requests[0].url.params) == {"format": "csv"}
    assert list(tmp_path.iterdir()) == [path]


def test_rejections_that_cannot_be_read_leave_no_file(tmp_path):
    with pytest.raises(RequestRejectedError):
        Service(problem(404, "import_not_found")).importer.keep_rejections(JOB, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_rejections_that_cannot_be_written(tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        Service(httpx.Response(200)).importer.keep_rejections(JOB, tmp_path / "none" / "x")


def test_the_key_is_that_of_the_file_and_the_options(rows, tmp_path):
    def key(path: Path, *options: str) -> str:
        return derived_key(asked(path, *options), Contents(path), lambda _: None)

    same = tmp_path / "other.csv"
    same.write_bytes(ROWS)
    assert key(rows, "-s", "a") == key(same, "-s", "a", "--rejections", "x")
    same.write_bytes(ROWS + b"x")
    keys = [
        key(rows, "-s", "a"),
        key(same, "-s", "a"),
        key(rows, "-s", "b"),
        key(rows, "-s", "a", "--dry-run"),
        key(rows, "-s", "a", "--map", "x:name"),
        key(rows, "-s", "a", "-f", "ndjson"),
    ]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", ["none.csv", "."])
def test_a_file_that_cannot_be_read(tmp_path, name):
    with pytest.raises(UsageError, match="cannot be read"):
        list(Contents(tmp_path / name).chunks())


def test_the_result_in_words():
    failure = {"code": "x", "detail": "It broke.", "advice": "Try again."}
    told = result(job("failed", failure=failure, dryRun=True).json())
    assert told.splitlines() == [
        f"{JOB}: failed (only checked: nothing was imported)",
        "3 records = 2 imported + 1 rejected + 0 not processed",
        "Why: It broke.",
        "Try again.",
    ]
