"""Runs each fault with a seed of its own, and shows a table of all of them at the end.

CHAOS_SEED replays a run, CHAOS_RUNS repeats each fault so often, with other dice each time.
"""

import contextlib
import os
import random
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from local.processes import service
from tests.acceptance.conftest import Importer, procfile
from tests.chaos.audit import Audit, Verdict
from tests.chaos.stack import Lab, dice, running_lab

__all__ = ["procfile"]

SEED = os.environ.get("CHAOS_SEED") or secrets.token_hex(4)
RUNS = int(os.environ.get("CHAOS_RUNS", "1"))

VERDICTS = pytest.StashKey[list[tuple[str, Verdict]]]()
FAILED = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[VERDICTS] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "run" in metafunc.fixturenames:
        metafunc.parametrize("run", range(1, RUNS + 1))
    if "writer" in metafunc.fixturenames:
        copy = [pytest.param("copy", marks=pytest.mark.slow)]
        both = metafunc.definition.get_closest_marker("writers") is not None
        metafunc.parametrize("writer", ["postgrest", *(copy if both else [])])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the other writer comes last: it needs another importer."""
    items.sort(
        key=lambda item: (
            getattr(item, "callspec", None) is not None
            and item.callspec.params.get("writer") == "copy"
        )
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


class Labs:
    """The importer that the tests share; after a failure the next one gets a new one."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._lab: Lab | None = None

    def get(self, writer: str) -> Lab:
        if self._lab is not None and self._lab.writer != writer:
            self.discard()
        if self._lab is None:
            self._lab = self._stack.enter_context(running_lab(writer))
        return self._lab

    def discard(self) -> None:
        self._lab = None
        self._stack.close()


@pytest.fixture(scope="session")
def labs() -> Iterator[Labs]:
    labs = Labs()
    yield labs
    labs.discard()


def keep_verdict(request: pytest.FixtureRequest, audit: Audit) -> None:
    """For the table at the end, in the row that the test names."""
    marker = request.node.get_closest_marker("fault")
    if audit.verdict is not None and marker is not None:
        callspec = getattr(request.node, "callspec", None)
        copy = callspec is not None and callspec.params.get("writer") == "copy"
        fault = f"{marker.args[0]}, COPY" if copy else marker.args[0]
        request.config.stash[VERDICTS].append((fault, audit.verdict))


@dataclass
class Chaos:
    """What a fault test works with."""

    lab: Lab
    audit: Audit
    rng: random.Random


@pytest.fixture
def chaos(request: pytest.FixtureRequest, labs: Labs, run: int, writer: str) -> Iterator[Chaos]:
    lab = labs.get(writer)
    lab.await_ready()
    lab.gateway.reset()
    audit = Audit(lab)
    audit.begin()
    print(f"CHAOS_SEED={SEED}")
    yield Chaos(lab, audit, dice(f"{SEED} {request.node.nodeid}"))
    lab.gateway.heal()
    lab.wire.heal()
    keep_verdict(request, audit)
    if request.node.stash.get(FAILED, False):
        print(lab.logs())
        labs.discard()


@pytest.fixture(scope="module")
def importer(request: pytest.FixtureRequest, embedded_env: Mapping[str, str]) -> Iterator[Importer]:
    """A quieter importer, of small parts too, for what needs no faults from outside."""
    environment = {**embedded_env, "PART_BYTES": getattr(request.module, "PART_BYTES", "1024")}
    with (
        tempfile.TemporaryDirectory() as name,
        service(environment, Path(name) / "service.log") as (url, _),
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        yield Importer(http, embedded_env, Path(name))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    verdicts = config.stash[VERDICTS]
    if not verdicts:
        return
    faults: dict[str, list[Verdict]] = {}
    for fault, verdict in verdicts:
        faults.setdefault(fault, []).append(verdict)
    terminalreporter.section(f"chaos, CHAOS_SEED={SEED}")
    rows = [_row(fault, found) for fault, found in faults.items()]
    for line in _table([HEAD, *rows, _row("all", [verdict for _, verdict in verdicts])]):
        terminalreporter.write_line(line)


HEAD = [
    "fault",
    "runs",
    "imports",
    "records sent",
    "contacts",
    "rejections",
    "lost",
    "doubled",
    "left behind",
    "swept",
    "seconds to recover",
]


def _row(fault: str, found: list[Verdict]) -> list[str]:
    return [
        fault,
        str(len(found)),
        f"{sum(v.imports for v in found):,}",
        f"{sum(v.sent for v in found):,}",
        f"{sum(v.contacts for v in found):,}",
        f"{sum(v.rejections for v in found):,}",
        str(sum(v.lost for v in found)),
        str(sum(v.doubled for v in found)),
        str(sum(v.left for v in found)),
        str(sum(v.swept for v in found)),
        f"{max(v.seconds for v in found):.1f}",
    ]


def _table(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join([first, *rest])
        if number == 0:
            yield "  ".join("-" * width for width in widths)
