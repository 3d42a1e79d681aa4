"""Importer: what it sends, when it repeats a request, what it returns."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from contacts_import.arguments import Arguments, parse_arguments
from contacts_import.errors import RequestRejectedError, UnreachableError, UsageError
from contacts_import.importer import Accepted, Importer
from contacts_import.request import PREVIEW_BYTES, ImportRequest, derive_key, make_request
from contacts_import.source_file import SourceFile

JOB = "import-019305f2-3b4c-7d5e-8f60-718293a4b5c6"
ROWS = b"name,email\nAda,ada@example.com\n"
ACCEPTED = httpx.Response(202, json={"jobId": JOB})
Answer = httpx.Response | httpx.TransportError


class Service:
    """Gives one answer after the other, and records requests, notes and waits."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.notes: list[str] = []
        self.waits: list[float] = []
        """Seconds that the importer would have slept."""
        http = httpx.Client(transport=httpx.MockTransport(self._answer), base_url="http://x")
        self.importer = Importer(http, self.notes.append, self.waits.append)

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


def arguments_for(path: Path, *options: str) -> Arguments:
    return parse_arguments([str(path), *options], {})


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_bytes(ROWS)
    return path


@pytest.fixture
def request_(rows: Path) -> ImportRequest:
    return make_request(arguments_for(rows, "-s", "crm"), SourceFile(rows), "key")


def test_upload_sends_a_csv_file_as_the_body(request_):
    service = Service(ACCEPTED)
    counted: list[int] = []
    assert service.importer.upload(request_, lambda: counted.append) == Accepted(
        JOB, replayed=False
    )
    sent = service.requests[0]
    assert sent.url.params["source"] == "crm"
    assert (sent.content, sent.headers["content-type"]) == (ROWS, "text/csv")
    assert sent.headers["content-length"] == str(len(ROWS))
    assert "transfer-encoding" not in sent.headers
    assert sent.headers["idempotency-key"] == '"key"'
    assert sum(counted) == len(ROWS)
    assert request_.file.sha256 == hashlib.sha256(ROWS).hexdigest()


def test_upload_sends_a_compressed_file_unchanged(tmp_path):
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(ROWS))
    service = Service(ACCEPTED)
    arguments = arguments_for(
        path, "-s", "crm", "--encoding", "utf-8", "--delimiter", ";", "--dry-run"
    )
    service.importer.upload(make_request(arguments, SourceFile(path), None), silent)
    sent = service.requests[0]
    assert sent.content == path.read_bytes()
    assert sent.headers["content-encoding"] == "gzip"
    assert sent.headers["content-type"] == "text/csv"
    assert dict(sent.url.params) == {
        "source": "crm",
        "delimiter": ";",
        "encoding": "utf-8",
        "dryRun": "true",
    }
    assert "idempotency-key" not in sent.headers


def test_upload_sends_a_json_file_with_a_source_as_a_form(tmp_path):
    path = tmp_path / "secret name.json"
    path.write_bytes(b"[]")
    service = Service(ACCEPTED)
    service.importer.upload(
        make_request(arguments_for(path, "-s", "ä"), SourceFile(path), None), silent
    )
    sent = service.requests[0]
    boundary = sent.headers["content-type"].partition("boundary=")[2].encode()
    fields = sent.content.split(b"--" + boundary)
    assert fields[1].endswith("\r\n\r\nä\r\n".encode())
    assert b'name="file"; filename="contacts.json"' in fields[2]
    assert fields[2].endswith(b"\r\n\r\n[]\r\n")
    assert fields[3] == b"--\r\n"
    assert int(sent.headers["content-length"]) == len(sent.content)
    assert b"secret" not in sent.content


def test_upload_sends_a_json_file_without_a_source_as_the_body(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"{}")
    service = Service(ACCEPTED)
    service.importer.upload(make_request(arguments_for(path), SourceFile(path), None), silent)
    assert service.requests[0].content == b"{}"
    assert service.requests[0].headers["content-type"] == "application/json"


def test_upload_sends_a_file_of_an_unknown_kind_to_be_looked_at(tmp_path):
    path = tmp_path / "list"
    path.write_bytes(ROWS)
    service = Service(ACCEPTED)
    arguments = arguments_for(path, "-s", "crm")
    service.importer.upload(make_request(arguments, SourceFile(path), None), silent)
    assert service.requests[0].headers["content-type"] == "application/octet-stream"


def test_preview_sends_the_beginning_of_a_file(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(ROWS * 10_000)
    service = Service(httpx.ReadError("lost"), httpx.Response(200, json={"format": "csv"}))
    request = make_request(
        arguments_for(path, "--preview", "--map", "a:name"), SourceFile(path), None
    )
    assert service.importer.preview(request) == {"format": "csv"}
    sent = service.requests[1]
    assert sent.url.path == "/import/preview"
    assert dict(sent.url.params) == {"map": "a:name"}
    assert sent.content == path.read_bytes()[:PREVIEW_BYTES]
    assert sent.headers["content-length"] == str(PREVIEW_BYTES)


@pytest.mark.parametrize("options", [(), ("-s", "crm")])
def test_preview_of_json_sends_a_form(tmp_path, options):
    path = tmp_path / "a.json"
    path.write_bytes(b"[]")
    service = Service(httpx.Response(200, json={}))
    arguments = arguments_for(path, "--preview", *options)
    service.importer.preview(make_request(arguments, SourceFile(path), None))
    sent = service.requests[0]
    assert b'name="file"; filename="contacts.json"' in sent.content
    assert (b'name="source"' in sent.content) == bool(options)
    assert sent.headers["content-length"] == str(len(sent.content))


def test_upload_returns_the_warnings_about_the_file(request_):
    warnings = [{"code": "encoding_guessed"}]
    accepted = httpx.Response(202, json={"jobId": JOB, "warnings": warnings})
    assert Service(accepted).importer.upload(request_, silent).warnings == warnings


def test_upload_retries_with_the_same_idempotency_key(request_):
    service = Service(httpx.ReadError("lost"), problem(503, "storage_unavailable"), ACCEPTED)
    starts: list[int] = []

    def start() -> Callable[[int], None]:
        starts.append(1)
        return lambda _: None

    assert service.importer.upload(request_, start).job_id == JOB
    assert [sent.content for sent in service.requests] == [ROWS] * 3
    assert {sent.headers["idempotency-key"] for sent in service.requests} == {'"key"'}
    assert len(starts) == 3
    assert len(service.waits) == 2
    assert "cannot be reached (lost)" in service.notes[0]
    assert "It cannot be (record 7). Do better." in service.notes[1]


def test_retry_waits_as_long_as_retry_after(request_):
    away = problem(503, "too_many_uploads", **{"Retry-After": "7"})
    service = Service(away, ACCEPTED)
    service.importer.upload(request_, silent)
    assert service.waits == [7]


@pytest.mark.parametrize(
    "named", ["0", "²", "٣", "-1", "", "soon", "Wed, 21 Oct 2020 07:28:00 GMT"]
)
def test_retry_after_that_is_no_number_is_ignored(request_, named):
    away = problem(503, "too_many_uploads", **{"Retry-After": named.encode()})
    service = Service(away, away, ACCEPTED)
    service.importer.upload(request_, silent)
    assert service.waits == [0.5, 1]


def test_retry_after_is_bounded(request_):
    away = problem(503, "too_many_uploads", **{"Retry-After": "9" * 5000})
    service = Service(away, ACCEPTED)
    service.importer.upload(request_, silent)
    assert service.waits == [60]


def test_upload_without_a_key_is_not_retried(rows):
    request = make_request(arguments_for(rows, "-s", "crm"), SourceFile(rows), None)
    service = Service(httpx.ReadError("lost"))
    with pytest.raises(UnreachableError):
        service.importer.upload(request, silent)


def test_upload_gives_up_after_six_attempts(request_):
    service = Service(*[httpx.ConnectError("refused")] * 6)
    with pytest.raises(UnreachableError, match="refused"):
        service.importer.upload(request_, silent)


def test_a_problem_is_raised_and_not_retried(request_):
    service = Service(problem(422, "csv_header_unusable"))
    with pytest.raises(RequestRejectedError, match="It cannot be") as error:
        service.importer.upload(request_, silent)
    assert error.value.code == "csv_header_unusable"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, text="<html>"),
        httpx.Response(202, text="ok"),
        httpx.Response(202, json=[]),
        httpx.Response(202, content=b'"\xff"'),
    ],
)
def test_an_answer_of_another_server_raises_unreachable(request_, answer):
    with pytest.raises(UnreachableError, match="not a contacts importer"):
        Service(answer).importer.upload(request_, silent)


def test_upload_returns_whether_the_answer_was_replayed(request_):
    earlier = httpx.Response(202, json={"jobId": JOB}, headers={"Idempotent-Replayed": "true"})
    assert Service(earlier).importer.upload(request_, silent) == Accepted(JOB, replayed=True)


def test_follow_polls_until_a_final_state():
    service = Service(job("queued"), httpx.ReadError("lost"), job("importing"), job("completed"))
    states = [each["state"] for each in service.importer.follow(JOB)]
    assert states == ["queued", "importing", "completed"]
    assert len(service.waits) == 3


def test_download_rejections_writes_the_file_once_complete(tmp_path):
    path = tmp_path / "out.csv"
    service = Service(httpx.ReadError("lost"), httpx.Response(200, content=b"record,code\n"))
    service.importer.download_rejections(JOB, path)
    assert path.read_bytes() == b"record,code\n"
    assert service.requests[0].url.path == f"/import/{JOB}/rejections"
    assert dict(service.requests[0].url.params) == {"format": "csv"}
    assert list(tmp_path.iterdir()) == [path]


def test_download_rejections_leaves_no_file_after_a_problem(tmp_path):
    with pytest.raises(RequestRejectedError):
        Service(problem(404, "import_not_found")).importer.download_rejections(JOB, tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_download_rejections_raises_usage_error_if_not_writable(tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        Service(httpx.Response(200)).importer.download_rejections(JOB, tmp_path / "none" / "x")


def test_derive_key_depends_on_file_and_options(rows, tmp_path):
    def key(path: Path, *options: str) -> str:
        return derive_key(arguments_for(path, *options), SourceFile(path), lambda _: None)

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
def test_source_file_that_cannot_be_read_raises_usage_error(tmp_path, name):
    with pytest.raises(UsageError, match="cannot be read"):
        list(SourceFile(tmp_path / name).chunks())
