"""Requests of every kind, valid and mutated, to a running service; then the workers import them."""

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
from service.splitting.part_cutter import Encoding, Split
from tests.chaos.conftest import SEED
from tests.chaos.http_strategies import MAX_BODY, Request, requests
from tests.chaos.progress import Progress
from tests.chaos.stack import seeded_random
from tests.support.contacts import MIB
from tests.support.import_oracle import certain_outcomes
from tests.support.plans import OBJECTS
from tests.support.raw_http import RawConnection
from tests.support.reference import judge_problem
from tests.support.reference_records import Content, is_readable
from tests.support.service import Service, running_service
from tests.support.splits import RejectedBody, parts_hold
from tests.support.traces import Everything, Traces

EXAMPLES = 200
WARM_UP = 20
"""After this many requests a service has everything in memory that it keeps."""
LIMIT = 1024
"""Bytes of a record, and of a part."""
ALLOWED = 30 * MIB
"""How much the service's memory may grow after the first requests."""
SETTINGS = {
    "PART_BYTES": str(LIMIT),
    "MAX_RECORD_BYTES": str(LIMIT),
    "MAX_BODY_BYTES": str(MAX_BODY),
    "IDLE_TIMEOUT": "1",
}
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Fuzz:
    """What all examples of one run have in common."""

    service: Service
    traces: Traces
    accepted: dict[str, Content | None] = field(default_factory=dict)
    """By ``jobId``; None where the content is unknown."""
    endings: Counter[str] = field(default_factory=Counter)
    """How many requests were accepted, abandoned, or rejected with each code."""

    def run(self, seed_text: str, progress: Progress) -> None:
        """Try the examples; raises on the smallest one that is answered wrongly."""
        peak = 0

        @seed(seeded_random(seed_text).getrandbits(64))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(requests)
        def check(request: Request) -> None:
            nonlocal peak
            self.endings[self.judge(request)] += 1
            if self.endings.total() == WARM_UP:
                peak = self.service.peak_bytes()
            progress.show_sometimes(
                f"{self.endings.total()} requests, {len(self.accepted)} imports"
            )

        check()
        assert self.service.peak_bytes() - peak < ALLOWED

    def send(self, request: Request) -> Answer | None:
        """Send a request; returns None if the client did not wait for the answer."""
        connection = RawConnection(self.service)
        try:
            connection.send(request.head())
            for piece in request.wire_pieces():
                connection.send(piece)
            if not request.waits:
                return None
            return _answer(connection, complete=not request.missing_bytes)
        finally:
            connection.close(reset=not request.waits)

    def judge(self, request: Request) -> str:
        """Send a request and assert all that must be true; returns how it ended."""
        before = self.traces.everything()
        answer = self.send(request)
        after = self.traces.everything()
        if answer is not None and answer.status == 202:
            assert not request.missing_bytes, "accepted before all of it was there"
            self._judge_import(request, answer, before, after)
            return "accepted"
        assert after == before, "something was left behind"
        return "abandoned" if answer is None else _judge_problem(request, answer)

    def _judge_import(
        self, request: Request, answer: Answer, before: Everything, after: Everything
    ) -> None:
        job = answer.body["jobId"]
        self.accepted[job] = None
        assert answer.headers["location"] == f"/import/{job}"
        row, parts = self.traces.import_row(job), self.traces.parts(job)
        assert after.imports - before.imports == {row["id"]}
        assert after.objects - before.objects == {row["object"]}
        assert (after.messages, after.parts) == (before.messages + 1, before.parts + len(parts))
        split = Split(
            row["format"], OBJECTS, row["bytes"], row["records"], parts, Encoding("utf-8")
        )
        parts_hold(split, LIMIT)
        stored = self.traces.object(*row["object"].rsplit(".", 1))
        assert len(stored) == row["bytes"]
        assert stored in request.body or row["detected"]["encoding"] != "utf-8"
        if request.content is not None:
            content = request.kind.read(request.content)
            if content is None:
                assert is_readable(request.content), "this must be rejected"
            else:
                self._judge_content(job, content, stored, row)

    def _judge_content(
        self, job: str, content: Content, stored: bytes, row: dict[str, Any]
    ) -> None:
        self.accepted[job] = content
        assert stored == content.stored
        if content.may_be:  # rows above the header are not records
            assert row["records"] <= len(content.records)
        else:
            assert row["records"] == len(content.records)
        assert content.source in {None, row["source"]}


def _answer(connection: RawConnection, *, complete: bool) -> Answer:
    status, headers, body = connection.answer()
    while status == 100:
        status, headers, body = connection.answer()
    if complete:
        _judge_next_answer(connection)
    return Answer(status, headers, json.loads(body))


def _judge_next_answer(connection: RawConnection) -> None:
    """Assert that the next request on the connection is answered, unless that was closed."""
    try:
        connection.send(HEALTH)
        following = connection.answer()
    except (ConnectionError, IndexError):
        return
    assert (following[0], json.loads(following[2])) == (200, {"status": "ok"})


def _judge_problem(request: Request, answer: Answer) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    code = str(answer.body["code"])
    assert (PROBLEM_TYPES[code].status, answer.body["status"]) == (answer.status, answer.status)
    assert answer.status < 500, answer
    assert answer.body["title"]
    assert answer.body["detail"]
    if request.regular and request.content is not None:
        problem = RejectedBody(code, answer.body.get("offset"), answer.body.get("record"))
        judge_problem(request.content, problem, request.kind.read(request.content), LIMIT)
    return code


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fuzzed_requests_are_answered_and_imported_as_in_the_reference(
    embedded_env: Mapping[str, str], capsys: pytest.CaptureFixture[str], run: int
) -> None:
    progress = Progress(capsys)
    progress.show(f"\nCHAOS_SEED={SEED}, run {run}")
    traces = Traces(embedded_env)
    with running_service(embedded_env, **SETTINGS) as service:
        fuzz = Fuzz(service, traces)
        fuzz.run(f"{SEED} {run}", progress)
        assert _first_error(service) is None
    progress.show(", ".join(f"{count} {end}" for end, count in fuzz.endings.most_common()))
    worked = _work(embedded_env)
    assert worked.returncode == 0, worked.stderr
    for job, content in fuzz.accepted.items():
        _judge_contacts(traces, job, content)
    traces.close()


def _first_error(service: Service) -> str | None:
    """Return the first error in the service's log, None if there is none."""
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


def _judge_contacts(traces: Traces, job: str, content: Content | None) -> None:
    """Assert that each record became what the reference is certain of."""
    import_id = parse_job_id(job)
    assert import_id is not None
    [(shown,)] = traces.rows("select get_import(%s)", str(import_id))
    assert shown["state"] == "completed", shown
    assert shown["imported"] + shown["rejected"] + shown["skipped"] == shown["records"]
    prefix = contact_id_prefix(import_id)
    rows = traces.rows(
        "select right(id::text, 9), coalesce(name, ''), coalesce(email, '') from contacts "
        "where id between %s and %s",
        prefix + "0" * 9,
        prefix + "f" * 9,
    )
    assert len(rows) == shown["imported"]
    if content is not None:
        contacts = {int(number, 16): (name, email) for number, name, email in rows}
        for number, certain in certain_outcomes(content).items():
            fate = None if isinstance(certain, str) else certain
            assert contacts.get(number) == fate, content.records[number - 1]
