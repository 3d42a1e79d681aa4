"""Hostile input: what it is answered, what it costs, and that it leaves nothing behind.

How long the event loop was held is shown, not asserted: at most 100 ms is the aim.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from tests.chaos.conftest import _table
from tests.chaos.hostile import ALL, TAKEN, Hostile
from tests.support.contacts import MIB, envelope
from tests.support.proxy import Proxy
from tests.support.service import PROJECT, WATCHED, Service, running_service
from tests.support.traces import Traces
from tests.support.wire import Wire

ALLOWED = 64 * MIB
HEAD = ["hostile input", "answer", "MiB", "ms"]


@dataclass
class Costs:
    """What each input has cost the service, shown at the end."""

    service: Service
    idle: int
    rows: list[list[str]] = field(default_factory=list)

    def begin(self) -> None:
        self.service.forget_peak()
        self.service.longest_step()

    def end(self, name: str, answer: tuple[int, str]) -> int:
        """Note what it was; returns the peak of memory, in bytes over that of the idle service."""
        step, peak = self.service.longest_step(), self.service.peak_bytes() - self.idle
        status, code = answer
        self.rows.append([name, f"{status} {code}", f"{peak / MIB:.1f}", f"{step * 1000:.1f}"])
        return peak

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("hostile input, memory over an idle service, longest loop step")
        for line in _table([HEAD, *self.rows]):
            terminalreporter.write_line(line)


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
def costs(request: pytest.FixtureRequest, service: Service, traces: Traces) -> Costs:
    good = Hostile("a good one", lambda: [envelope(b"[]")])
    assert sent(service, good)[0] == TAKEN
    costs = Costs(service, service.peak_bytes())
    request.config.pluginmanager.register(costs)
    return costs


def sent(service: Service, hostile: Hostile) -> tuple[tuple[int, str], str]:
    """The answer, and the address of the import if there is one.

    A client that sends gigabytes does not stop when it is answered, the others do.
    """
    wire, answer = Wire(service), None
    try:
        for data in pieces(hostile):
            if answer is None and wire.is_answered():
                answer = wire.verdict()
            if answer is not None and not hostile.slow:
                break
            wire.send(data)
    except ConnectionError:
        pass  # refused, and gone before all of it was sent
    try:
        return answer or wire.verdict()
    finally:
        wire.close()


def pieces(hostile: Hostile) -> Iterator[bytes]:
    yield f"POST {hostile.path} HTTP/1.1\r\nHost: x\r\nContent-Type: {hostile.kind}\r\n".encode()
    if hostile.length is not None:
        yield b"Content-Length: %d\r\n%b\r\n" % (hostile.length, hostile.head)
        yield from hostile.body()
        return
    yield b"Transfer-Encoding: chunked\r\n%b\r\n" % hostile.head
    for data in filter(None, hostile.body()):
        yield b"%x\r\n%b\r\n" % (len(data), data)
    yield b"0\r\n\r\n"


def named(hostile: Hostile) -> object:
    marks = [pytest.mark.slow, pytest.mark.timeout(300)] if hostile.slow else []
    return pytest.param(hostile, id=hostile.name, marks=marks)


@pytest.mark.parametrize("hostile", [named(one) for one in ALL if one.answer != TAKEN])
def test_what_is_refused_costs_little_and_leaves_nothing(
    service: Service, traces: Traces, proxy: Proxy, costs: Costs, hostile: Hostile
) -> None:
    proxy.reset()
    with traces.unchanged(proxy):
        costs.begin()
        answer, _ = sent(service, hostile)
        peak = costs.end(hostile.name, answer)
        assert answer == hostile.answer
        assert peak < ALLOWED


def test_what_is_taken_costs_little_and_ends_well(
    supabase_env: Mapping[str, str], service: Service, traces: Traces, costs: Costs
) -> None:
    legal = [one for one in ALL if one.answer == TAKEN]
    jobs, peaks = {}, {}
    for one in legal:
        costs.begin()
        answer, jobs[one.name] = sent(service, one)
        peaks[one.name] = costs.end(one.name, answer)
        assert answer == TAKEN, one.name
    command = [sys.executable, "-m", "tasks", "--once"]
    subprocess.run(command, cwd=PROJECT, env={**supabase_env}, timeout=110, check=True)

    outcomes = {name: outcome(traces, job) for name, job in jobs.items()}
    assert outcomes == {one.name: one.outcome for one in legal}
    assert max(peaks.values()) < ALLOWED, peaks


def outcome(traces: Traces, job: str) -> dict[str, int]:
    """The contacts of an import, and its rejections by code."""
    assert traces.import_row(job)["state"] == "completed"
    counts = Counter(traces.rejections(job))
    imported = traces.imported(job)
    return {**counts, **({"imported": imported} if imported else {})}
