"""Requests of every form, whole and spoilt, against a running service; then the workers on all."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from core.ids import contact_id_prefix, parse_job_id
from local.processes import PROJECT
from service.problems import PROBLEM_TYPES
from service.splitting.part_cutter import Split
from tests.chaos.conftest import SEED
from tests.chaos.http_strategies import MAX_BODY, Request, requests
from tests.chaos.progress import Progress
from tests.chaos.stack import seeded_random
from tests.support.contacts import MIB
from tests.support.import_oracle import fates_of
from tests.support.raw_http import RawConnection
from tests.support.reference import Content, judge_refusal
from tests.support.service import Service, running_service
from tests.support.splits import RejectedRecord, parts_hold
from tests.support.traces import Everything, Traces

EXAMPLES = 200
WARM = 20
"""After so many requests a service has all in memory that it keeps."""
BOUND = 1024
"""Bytes of a record, and of a part."""
ALLOWED = 30 * MIB
"""How much more memory the service may have in use than after its first requests."""
SETTINGS = {
    "PART_BYTES": str(BOUND),
    "MAX_RECORD_BYTES": str(BOUND),
    "MAX_BODY_BYTES": str(MAX_BODY),
    "IDLE_TIMEOUT": "1",
}
NEXT = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    told: dict[str, Any]


@dataclass
class Fuzz:
    """What all examples of one run have in common."""

    service: Service
    traces: Traces
    accepted: dict[str, Content | None] = field(default_factory=dict)
    """By ``jobId``; None where nobody knows what is in it."""
    ends: Counter[str] = field(default_factory=Counter)
    """How often a request ended so."""

    def run(self, dice_of: str, progress: Progress) -> None:
        """Try so many requests; raises on the first that is answered wrongly, made small."""
        peak = 0

        @seed(seeded_random(dice_of).getrandbits(64))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(requests)
        def hold(request: Request) -> None:
            nonlocal peak
            self.ends[self.judge(request)] += 1
            if self.ends.total() == WARM:
                peak = self.service.peak_bytes()
            progress.show_sometimes(f"{self.ends.total()} requests, {len(self.accepted)} imports")

        hold()
        assert self.service.peak_bytes() - peak < ALLOWED

    def send(self, request: Request) -> Answer | None:
        """None if the client did not wait for an answer."""
        connection = RawConnection(self.service)
        try:
            connection.send(request.head())
            for piece in request.sends():
                connection.send(piece)
            return _answer(connection, in_step=not request.lacking) if request.waits else None
        finally:
            connection.close(rudely=not request.waits)

    def judge(self, request: Request) -> str:
        """Send a request and assert all that must hold; tells how it ended."""
        before = self.traces.everything()
        answer = self.send(request)
        after = self.traces.everything()
        if answer is not None and answer.status == 202:
            assert not request.lacking, "taken before all of it had come"
            self._judge_import(request, answer, before, after)
            return "accepted"
        assert after == before, "something was left behind"
        return "left" if answer is None else _judge_problem(request, answer)

    def _judge_import(
        self, request: Request, answer: Answer, before: Everything, after: Everything
    ) -> None:
        job = answer.told["jobId"]
        self.accepted[job] = None
        assert answer.headers["location"] == f"/import/{job}"
        row, parts = self.traces.import_row(job), self.traces.parts(job)
        assert after.imports - before.imports == {row["id"]}
        assert after.objects - before.objects == {row["object"]}
        assert (after.messages, after.parts) == (before.messages + 1, before.parts + len(parts))
        parts_hold(Split(row["format"], None, row["bytes"], row["records"], parts), BOUND)
        stored = self.traces.object(*row["object"].rsplit(".", 1))
        assert len(stored) == row["bytes"]
        assert stored in request.body or row["detected"]["encoding"] != "utf-8"
        if request.content is not None:
            content = request.kind.read(request.content)
            assert content is not None, "this must be refused"
            self._judge_content(job, content, stored, row)

    def _judge_content(
        self, job: str, content: Content, stored: bytes, row: dict[str, Any]
    ) -> None:
        self.accepted[job] = content
        assert stored == content.stored
        assert row["records"] == len(content.records)
        assert content.source in {None, row["source"]}


def _answer(connection: RawConnection, *, in_step: bool) -> Answer:
    status, headers, body = connection.answer()
    while status == 100:
        status, headers, body = connection.answer()
    if in_step:
        _judge_next(connection)
    return Answer(status, headers, json.loads(body))


def _judge_next(connection: RawConnection) -> None:
    """The next request on a connection is answered as such, or the connection is closed."""
    try:
        connection.send(NEXT)
        following = connection.answer()
    except (ConnectionError, IndexError):
        return
    assert (following[0], json.loads(following[2])) == (200, {"status": "ok"})


def _judge_problem(request: Request, answer: Answer) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    code = str(answer.told["code"])
    assert (PROBLEM_TYPES[code].status, answer.told["status"]) == (answer.status, answer.status)
    assert answer.status < 500, answer
    assert answer.told["title"]
    assert answer.told["detail"]
    if request.regular and request.content is not None:
        refusal = RejectedRecord(code, answer.told.get("offset"), answer.told.get("record"))
        judge_refusal(request.content, refusal, request.kind.read(request.content), BOUND)
    return code


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_request_gets_past_the_promise(
    embedded_env: Mapping[str, str], capsys: pytest.CaptureFixture[str], run: int
) -> None:
    progress = Progress(capsys)
    progress.show(f"\nCHAOS_SEED={SEED}, run {run}")
    traces = Traces(embedded_env)
    with running_service(embedded_env, **SETTINGS) as service:
        fuzz = Fuzz(service, traces)
        fuzz.run(f"{SEED} {run}", progress)
        assert _first_error(service) is None
    progress.show(", ".join(f"{count} {end}" for end, count in fuzz.ends.most_common()))
    done = _work(embedded_env)
    assert done.returncode == 0, done.stderr
    for job, content in fuzz.accepted.items():
        _judge_work(traces, job, content)
    traces.close()


def _first_error(service: Service) -> str | None:
    """What the service's log has of errors; that clients are clumsy is none."""
    while not service.lines.empty():
        line = service.lines.get_nowait()
        if line.get("level") not in {"info", "warning"}:
            return f"{line['event']}\n{line.get('exception')}"
    return None


def _work(env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tasks", "--once"],
        cwd=PROJECT,
        env={**os.environ, **env, "BATCH_RECORDS": "7"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _judge_work(traces: Traces, job: str, content: Content | None) -> None:
    """Each record is a contact or rejected, as a plain reader has it."""
    import_id = parse_job_id(job)
    assert import_id is not None
    [(shown,)] = traces.rows("select get_import(%s)", str(import_id))
    assert shown["state"] == "completed", shown
    assert shown["imported"] + shown["rejected"] == shown["records"]
    prefix = contact_id_prefix(import_id)
    rows = traces.rows(
        "select right(id::text, 9), coalesce(name, ''), coalesce(email, '') from contacts "
        "where id between %s and %s",
        prefix + "0" * 9,
        prefix + "f" * 9,
    )
    assert len(rows) == shown["imported"]
    if content is not None:
        fates = fates_of(content).items()
        contacts = {number: fate for number, fate in fates if not isinstance(fate, str)}
        assert {int(number, 16): (name, email) for number, name, email in rows} == contacts
