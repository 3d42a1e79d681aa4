"""Runs each fault with a seed of its own, and adds its outcome to a table of all of them.

CHAOS_SEED replays a run, CHAOS_RUNS repeats each fault so many times, each time with other random
choices. ``make chaos`` also runs the tests that are marked as slow.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx
import pytest

from local.processes import service
from tests.acceptance.conftest import Importer, procfile
from tests.chaos.audit import Audit
from tests.chaos.stack import ImporterStack, running_importer_stack, seeded_random
from tests.chaos.tables import FAULTS
from tests.support.session_tables import add_row

__all__ = ["procfile"]

SEED = os.environ["CHAOS_SEED"]  # set by tests/conftest.py
RUNS = int(os.environ.get("CHAOS_RUNS", "1"))

FAILED = pytest.StashKey[bool]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "run" in metafunc.fixturenames:
        metafunc.parametrize("run", range(1, RUNS + 1))
    if "writer" in metafunc.fixturenames:
        copy = [pytest.param("copy", marks=pytest.mark.slow)]
        both = metafunc.definition.get_closest_marker("writers") is not None
        metafunc.parametrize("writer", ["postgrest", *(copy if both else [])])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of the COPY writer last: they need another stack."""
    items.sort(key=lambda item: _writer(item) == "copy")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


def add_verdict(request: pytest.FixtureRequest, audit: Audit) -> None:
    """Add the outcome to the table, in the row of the fault that the test is marked with."""
    marker = request.node.get_closest_marker("fault")
    if audit.verdict is not None and marker is not None:
        copy = ", COPY" if _writer(request.node) == "copy" else ""
        add_row(request.node, FAULTS, audit.verdict.row(f"{marker.args[0]}{copy}"))


def _writer(item: pytest.Item) -> object:
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get("writer")


class SharedStack:
    """The importer that the tests share; after a failure the next test gets a new one."""

    def __init__(self) -> None:
        self._exit_stack = contextlib.ExitStack()
        self._stack: ImporterStack | None = None

    def get(self, writer: str) -> ImporterStack:
        if self._stack is not None and self._stack.writer != writer:
            self.discard()
        if self._stack is None:
            self._stack = self._exit_stack.enter_context(running_importer_stack(writer))
        return self._stack

    def discard(self) -> None:
        self._stack = None
        self._exit_stack.close()


@pytest.fixture(scope="session")
def shared_stack() -> Iterator[SharedStack]:
    shared_stack = SharedStack()
    yield shared_stack
    shared_stack.discard()


@dataclass
class Chaos:
    """What a fault test works with."""

    stack: ImporterStack
    audit: Audit
    rng: Random


@pytest.fixture
def chaos(
    request: pytest.FixtureRequest, shared_stack: SharedStack, run: int, writer: str
) -> Iterator[Chaos]:
    stack = shared_stack.get(writer)
    stack.await_ready()
    stack.proxy.reset()
    audit = Audit(stack)
    audit.begin()
    print(f"CHAOS_SEED={SEED}")
    yield Chaos(stack, audit, seeded_random(f"{SEED} {request.node.nodeid}"))
    stack.proxy.clear_faults()
    stack.tcp_proxy.clear_faults()
    add_verdict(request, audit)
    if request.node.stash.get(FAILED, False):
        print(stack.logs())
        shared_stack.discard()


@pytest.fixture(scope="module")
def importer(request: pytest.FixtureRequest, embedded_env: Mapping[str, str]) -> Iterator[Importer]:
    """An importer without proxies, with small parts, for faults that come from within."""
    environment = {**embedded_env, "PART_BYTES": getattr(request.module, "PART_BYTES", "1024")}
    with (
        tempfile.TemporaryDirectory() as name,
        service(environment, Path(name) / "service.log") as (url, _),
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        yield Importer(http, embedded_env, Path(name))
