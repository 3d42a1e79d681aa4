"""Traces: from the request through the queue to the last part, with a real collector."""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import PIPE

import httpx
import pytest

from local.processes import PROJECT, service
from tests.acceptance.conftest import Importer
from tests.support.collector import Collector, Span
from tests.support.service import running_service
from tests.support.webhook_receiver import Receiver

PEOPLE = [{"name": f"Grace Hopper {n}", "email": f"grace{n}@example.com"} for n in range(300)]
SOURCE = "secret-source"
TRACED = {
    "PART_BYTES": "4096",
    "OTEL_BSP_SCHEDULE_DELAY": "50",
    "WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "WEBHOOK_ALLOW_PRIVATE": "true",
}
WEB, WORKER = "contacts-importer-web", "contacts-importer-worker"
CALLER = "00f067aa0ba902b7"
"""Id of the span in which a client sends its request."""


def headers(trace_id: str) -> dict[str, str]:
    return {"traceparent": f"00-{trace_id}-{CALLER}-01"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector().running() as collector:
        yield collector


@pytest.fixture(scope="module")
def importer(embedded_env: Mapping[str, str], collector: Collector) -> Iterator[Importer]:
    env = {**embedded_env, **TRACED, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with (
        tempfile.TemporaryDirectory() as name,
        service(env, Path(name) / "service.log") as (url, _),
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        yield Importer(http, env, Path(name))


def accepted(importer: Importer, trace_id: str, **query: str) -> str:
    body = {"source": SOURCE, "data": PEOPLE}
    answer = importer.http.post("/import", params=query, json=body, headers=headers(trace_id))
    assert answer.status_code == 202, answer.text
    return str(answer.json()["jobId"])


def named(spans: list[Span], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


def the(spans: list[Span], name: str) -> Span:
    [span] = named(spans, name)
    return span


def log_lines(text: str, event: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def test_one_trace_has_the_request_all_parts_and_the_webhook(
    importer: Importer, collector: Collector
) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    with Receiver().running() as receiver:
        job = accepted(importer, trace_id, notify=receiver.url)
        done = importer.run("tasks", "--once")
    assert done.returncode == 0, done.stderr
    parts = importer.shown(job)["parts"]["total"]
    assert parts > 1

    spans = collector.spans(trace_id, lambda spans: {"POST /import"} <= {s.name for s in spans})

    assert Counter((span.service, span.name) for span in spans) == {
        (WEB, "POST /import"): 1, (WEB, "upload"): 1, (WEB, "create_import"): 1,
        (WORKER, "import_contacts"): 1, (WORKER, "import_part"): parts,
        (WORKER, "notify_import"): 1,
    }  # fmt: skip
    request, create = the(spans, "POST /import"), the(spans, "create_import")
    assert request.parent_id == CALLER
    assert {the(spans, "upload").parent_id, create.parent_id} == {request.id}
    assert {span.parent_id for span in spans if span.service == WORKER} == {create.id}
    assert request.attributes == {
        "http.request.method": "POST", "http.route": "/import", "http.response.status_code": 202,
        "contacts_importer.job_id": job,
    }  # fmt: skip
    imported = [span.attributes for span in named(spans, "import_part")]
    assert {each["contacts_importer.part"] for each in imported} == set(range(1, parts + 1))
    assert sum(int(each["contacts_importer.records"]) for each in imported) == len(PEOPLE)
    assert {each["contacts_importer.outcome"] for each in imported} == {"done"}
    assert {span.error for span in spans} == {None}

    for private in ("Grace", "example.com", SOURCE, receiver.url):
        assert private not in repr(spans)
    service_log = (importer.folder / "service.log").read_text()
    lines = log_lines(service_log, "import accepted") + log_lines(done.stderr, "part finished")
    assert len(lines) == 1 + parts
    assert {line["trace_id"] for line in lines} == {trace_id}


def test_retry_and_undo_are_in_the_traces_of_their_requests(
    importer: Importer, collector: Collector
) -> None:
    made, retried, undone = (digit * 32 for digit in "abc")
    with Receiver().running() as receiver:
        job = accepted(importer, made, notify=receiver.url)
        importer.remove_object(job)
        assert importer.run("tasks", "--once").returncode == 1
        answers = [importer.http.post(f"/import/{job}/retry", headers=headers(retried))]
        assert importer.run("tasks", "--once").returncode == 1
    answers.append(importer.http.delete(f"/import/{job}", headers=headers(undone)))
    assert importer.run("tasks", "--once").returncode == 0
    assert {answer.status_code for answer in answers} == {202}

    spans = collector.spans(retried, lambda spans: any(span.service == WEB for span in spans))
    request = the(spans, "POST /import/{jobId}/retry")
    parts = named(spans, "import_part")
    others = [the(spans, "import_contacts"), the(spans, "notify_import")]
    assert {span.parent_id for span in [*parts, *others]} == {request.id}
    assert {part.error for part in parts} == {"object_missing"}
    assert {part.attributes["contacts_importer.outcome"] for part in parts} == {"failed"}
    assert len(named(collector.spans(made, bool), "import_part")) == len(parts)

    spans = collector.spans(undone, lambda spans: any(span.service == WEB for span in spans))
    undo = the(spans, "undo_import")
    assert undo.parent_id == the(spans, "DELETE /import/{jobId}").id
    assert undo.attributes["contacts_importer.outcome"] == "done"


def test_a_collector_that_rejects_batches_is_one_warning(
    embedded_env: Mapping[str, str],
) -> None:
    failing = Collector()
    failing.status = 401
    key = "collector-key-0123456789"
    with (
        failing.running(),
        running_service(
            embedded_env,
            OTEL_EXPORTER_OTLP_ENDPOINT=failing.url,
            OTEL_EXPORTER_OTLP_HEADERS=f"api-key={key}",
            OTEL_BSP_SCHEDULE_DELAY="50",
        ) as service,
        httpx.Client(base_url=service.url) as http,
    ):
        for count in range(1, 4):
            assert http.get("/import/unknown").status_code == 404
            failing.await_batches(count)
        failing.status = 200
        http.get("/import/unknown")
        service.await_line(lambda line: line["event"] == "traces cannot be sent, and are dropped")
        lines = []
        service.await_line(
            lambda line: lines.append(line) or line["event"] == "traces are sent again"  # type: ignore[func-returns-value]
        )
    assert {line["level"] for line in lines} == {"info"}
    assert key not in repr(lines)


@pytest.mark.parametrize("is_on", [False, True])
def test_without_the_variables_nothing_of_opentelemetry_is_imported(
    embedded_env: Mapping[str, str], collector: Collector, is_on: bool
) -> None:
    """Python itself prints what it imports."""
    env = {**embedded_env, "PYTHONPROFILEIMPORTTIME": "1", "PORT": "0", "LOG_FORMAT": "json"}
    if is_on:
        env["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
    command = [sys.executable, "-m", "service"]
    imported = {"web": "", "worker": ""}
    with subprocess.Popen(command, cwd=PROJECT, env=env, stderr=PIPE, text=True) as process:
        assert process.stderr is not None
        while "listening" not in imported["web"]:
            line = process.stderr.readline()
            assert line, imported["web"]
            imported["web"] += line
        process.terminate()
    once = [sys.executable, "-m", "tasks", "--once"]
    done = subprocess.run(once, cwd=PROJECT, env=env, capture_output=True, text=True, check=True)
    imported["worker"] = done.stderr

    for output in imported.values():
        assert "core.queue_messages" in output
        assert ("opentelemetry" in output) == is_on
