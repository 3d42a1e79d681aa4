"""Hostile requests: the answer, what they cost, and that they leave nothing behind.

How long the event loop was held is only shown, not asserted: the aim is at most 100 ms.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.chaos.hostile_requests import ALL, TAKEN, Hostile
from tests.chaos.tables import HOSTILE
from tests.support.contacts import MIB, envelope
from tests.support.proxy import Proxy
from tests.support.raw_http import RawConnection
from tests.support.service import PROJECT, WATCHED, Service, running_service
from tests.support.session_tables import add_row
from tests.support.traces import Traces

ALLOWED = 64 * MIB
ALLOWED_CPU = 2.0
"""CPU seconds for a megabyte; the aim is a tenth of that, ten times what contacts cost."""


@dataclass(frozen=True)
class Costs:
    """Measures what each request costs the service, and adds it to a table."""

    service: Service
    idle: int
    """Peak memory before any hostile request, in bytes."""

    def measure(self, node: pytest.Item, hostile: Hostile) -> "Cost":
        """Send a request, and add a row with its costs."""
        self.service.forget_peak()
        self.service.longest_step()
        before = self.service.cpu_seconds()
        answer, job, size = sent(self.service, hostile)
        cpu = self.service.cpu_seconds() - before
        step, peak = self.service.longest_step(), self.service.peak_bytes() - self.idle
        status, code = answer
        per_mb = f"{cpu / size * 1e6:.2f}" if size >= MIB else ""
        row = [hostile.name, f"{status} {code}", f"{peak / MIB:.1f}", f"{step * 1000:.1f}"]
        add_row(node, HOSTILE, [*row, f"{cpu:.2f}", per_mb])
        return Cost(answer, job, peak, cpu / max(size, MIB) * 1e6)


@dataclass(frozen=True)
class Cost:
    """What became of a request, and what it cost."""

    answer: tuple[int, str]
    job: str
    peak: int
    """Memory in bytes over that of the idle service."""
    cpu: float
    """CPU seconds of the service for each megabyte; for smaller bodies, for the body."""


@pytest.fixture(scope="module")
def proxy(supabase_env: Mapping[str, str]) -> Iterator[Proxy]:
    with Proxy(supabase_env["SUPABASE_URL"]).running() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def service(supabase_env: Mapping[str, str], proxy: Proxy) -> Iterator[Service]:
    env = {**supabase_env, "SUPABASE_URL": proxy.url}
    with running_service(env, WATCHED, IDLE_TIMEOUT="2") as service:
        yield service


@pytest.fixture(scope="module")
def traces(supabase_env: Mapping[str, str], service: Service) -> Iterator[Traces]:
    traces = Traces(supabase_env)
    yield traces
    traces.close()


@pytest.fixture(scope="module")
def costs(service: Service, traces: Traces) -> Costs:
    first = Hostile("a good request", lambda: [envelope(b"[]")])
    assert sent(service, first)[0] == TAKEN
    return Costs(service, service.peak_bytes())


def sent(service: Service, hostile: Hostile) -> tuple[tuple[int, str], str, int]:
    """Send a request; returns the answer, the id of the import if any, and the bytes sent.

    The client stops when it is answered, except for one that sends gigabytes.
    """
    connection, answer, size = RawConnection(service), None, 0
    try:
        for data in pieces(hostile):
            if answer is None and connection.is_answered():
                answer = connection.verdict()
            if answer is not None and not hostile.slow:
                break
            connection.send(data)
            size += len(data)
    except ConnectionError:
        pass  # rejected, and closed before all of it was sent
    try:
        return (*(answer or connection.verdict()), size)
    finally:
        connection.close()


def pieces(hostile: Hostile) -> Iterator[bytes]:
    yield f"POST {hostile.path} HTTP/1.1\r\nHost: localhost\r\n".encode()
    yield f"Content-Type: {hostile.kind}\r\n".encode()
    if hostile.length is not None:
        yield b"Content-Length: %d\r\n%b\r\n" % (hostile.length, hostile.head)
        yield from hostile.body()
        return
    yield b"Transfer-Encoding: chunked\r\n%b\r\n" % hostile.head
    for data in filter(None, hostile.body()):
        yield b"%x\r\n%b\r\n" % (len(data), data)
    yield b"0\r\n\r\n"


def parameter(hostile: Hostile) -> object:
    marks = [pytest.mark.slow, pytest.mark.timeout(300)] if hostile.slow else []
    return pytest.param(hostile, id=hostile.name, marks=marks)


REJECTED = [parameter(hostile) for hostile in ALL if hostile.answer != TAKEN]
ACCEPTED = [hostile for hostile in ALL if hostile.answer == TAKEN]


@pytest.mark.parametrize("hostile", REJECTED)
def test_a_rejected_hostile_request_costs_little_and_leaves_nothing(
    request: pytest.FixtureRequest,
    service: Service,
    traces: Traces,
    proxy: Proxy,
    costs: Costs,
    hostile: Hostile,
) -> None:
    proxy.reset()
    with traces.unchanged(proxy):
        cost = costs.measure(request.node, hostile)
        assert cost.answer == hostile.answer
        assert cost.peak < ALLOWED
        assert cost.cpu < ALLOWED_CPU


def test_an_accepted_hostile_request_costs_little_and_is_imported(
    request: pytest.FixtureRequest,
    supabase_env: Mapping[str, str],
    service: Service,
    traces: Traces,
    costs: Costs,
) -> None:
    found = {hostile.name: costs.measure(request.node, hostile) for hostile in ACCEPTED}
    jobs = {name: cost.job for name, cost in found.items()}
    assert {name: cost.answer for name, cost in found.items()} == dict.fromkeys(jobs, TAKEN)
    command = [sys.executable, "-m", "tasks", "--once"]
    subprocess.run(command, cwd=PROJECT, env={**supabase_env}, timeout=110, check=True)

    outcomes = {name: outcome(traces, job) for name, job in jobs.items()}
    assert outcomes == {hostile.name: hostile.outcome for hostile in ACCEPTED}
    assert max(cost.peak for cost in found.values()) < ALLOWED, found
    assert max(cost.cpu for cost in found.values()) < ALLOWED_CPU, found


def outcome(traces: Traces, job: str) -> dict[str, int]:
    """The number of contacts of an import, and of its rejections by code."""
    assert traces.import_row(job)["state"] == "completed"
    counts = Counter(traces.rejections(job))
    imported = traces.imported(job)
    return {**counts, **({"imported": imported} if imported else {})}
