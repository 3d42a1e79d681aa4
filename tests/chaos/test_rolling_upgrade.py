"""A rolling upgrade under load: no request fails, no contact is lost or doubled.

The former release and this one run side by side on one database, in the order of docs/upgrade.md:
migrations, workers, service; then the former processes are stopped.
"""

import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from deploy.migrations import migrate
from embedded.launch import running
from tests.chaos.conftest import SEED
from tests.chaos.data import Data, make_data
from tests.chaos.progress import Progress
from tests.chaos.releases import (
    Release,
    errors,
    former_release,
    running_service,
    running_workers,
    stop,
    this_release,
)
from tests.chaos.stack import seeded_random
from tests.chaos.steady_load import Accepted, Balancer, SteadyLoad
from tests.chaos.supervised_process import eventually
from tests.support.new_database import run

T = TypeVar("T")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FORMER = {
    "before the image": "ee2c790a993e783f4d2832385bc6d616cad36eb4",
    "before /v1": "ee02eab5e93574ab4a0a6cfbe94310f664844b93",
}
"""Commits of former releases. Each release adds its own here."""
SETTINGS = {"PART_BYTES": str(256 * 1024), "BATCH_RECORDS": "25"}
"""Parts of several reads and many batches, so that workers stop in the middle of some."""
MORE = 15
"""Imports or parts that each step waits for."""
DATED_AHEAD = 10_000
"""Records from which on the ids of contacts are dated ahead."""
BACKLOG = 20_000
"""Records of the import that the former workers leave unfinished."""
OPEN = """
    select (select count(*) from imports where state in ('queued', 'importing', 'undoing'))
      + (select count(*) from dramatiq.queue where state in ('queued', 'consumed'))
"""
BEGUN = "select count(*) from import_parts where import_id = '{}' and state = 'done'"
LEFT = """
    select count(*) from dramatiq.queue
    where state = 'queued' and message #>> '{{args,0}}' = any ('{{{}}}')
"""
HANDED_BACK = "select count(*) from import_parts where stops > 0"
END_SECONDS = 180.0


@dataclass(frozen=True)
class Place:
    """An embedded Supabase with the former release's migrations, and a folder for logs."""

    former: Release
    env: Mapping[str, str]
    logs: Path

    @property
    def settings(self) -> dict[str, str]:
        return {**self.env, **SETTINGS}

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        return run(self.env["DATABASE_URL"], statement)

    def count(self, statement: str) -> int:
        [(number,)] = self.ask(statement)
        return int(number)


@pytest.fixture(params=FORMER.values(), ids=FORMER)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        former = former_release(request.param, folder / "former")
        if former is None:
            pytest.skip(f"the history of this clone does not have {request.param[:7]}")
        with running(folder / "data", migrations=former.migrations) as env:
            yield Place(former, env, folder / "logs")


def test_nothing_fails_while_all_is_replaced(
    place: Place, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress(capsys)
    rng = seeded_random(f"{SEED} {request.node.nodeid}")
    new, settings, logs = this_release(), place.settings, place.logs
    with contextlib.ExitStack() as processes:

        def run_beside(context: AbstractContextManager[T]) -> T:
            return processes.enter_context(context)

        old_service = run_beside(running_service(place.former, settings, logs))
        old_workers = run_beside(running_workers(place.former, settings, logs))
        load = SteadyLoad(Balancer(old_service.url), rng)
        run_beside(load.running())
        await_more(old_workers.parts, "parts of the former release")

        migrated = [each.path.name for each in migrate(place.env["DATABASE_URL"], new.migrations)]
        progress.show(f"migrated: {migrated}")
        await_more(old_workers.parts, "parts of the former workers with the new migrations")

        workers = run_beside(running_workers(new, settings, logs))
        await_more(workers.parts, "parts of the new workers")
        service = run_beside(running_service(new, settings, logs))
        load.balancer.add(service.url)
        await_more(lambda: len(load.accepted_by(service.url)), "imports by the new service")
        await_more(lambda: len(load.accepted_by(old_service.url)), "imports by the former service")
        await_more(old_workers.parts, "parts of the former workers")
        with httpx.Client(timeout=60) as http:  # former workers cannot import it, and pass it on
            large = load.send(http, make_data(rng, records=DATED_AHEAD), service.url)
            assert large is not None, load.failed

        with workers.suspended(), httpx.Client(timeout=60) as http:
            last = load.send(http, make_data(rng, records=BACKLOG), old_service.url)
            assert last is not None, load.failed
            begun = BEGUN.format(last.import_id)
            eventually(lambda: place.count(begun) > 0, "the former workers work on the large one")
            assert stop(old_workers.process) == 0
            ids = [each.import_id for each in load.accepted_by(old_service.url)]
            left = place.count(LEFT.format(",".join(ids)))
            handed_back = place.count(HANDED_BACK)
        load.balancer.remove(old_service.url)
        assert stop(old_service.process) == 0
        await_more(lambda: len(load.accepted_by(service.url)), "imports by the new service alone")
        await_more(workers.parts, "parts of the new workers alone")

        load.stop()
        eventually(lambda: place.count(OPEN) == 0, "all is done", END_SECONDS)
        undone = undo(place, load.accepted_by(old_service.url)[0], service.url)
    lost, doubled = compare(place, [each.data for each in load.accepted if each is not undone])
    progress.show(
        f"{len(load.accepted)} imports accepted, {len(load.accepted_by(old_service.url))} by the "
        f"former service; {old_workers.parts()} parts done by its workers, {workers.parts()} by "
        f"this release's; at the former release's end {left} messages left and {handed_back} parts "
        f"handed back; {load.reads} reads; "
        f"{load.refused} connections refused and repeated; {len(load.failed)} requests failed, "
        f"of {sum(each.data.records for each in load.accepted)} records {lost} contacts lost, "
        f"{doubled} doubled"
    )
    assert load.failed == []
    assert (lost, doubled) == (0, 0)
    assert left > 0
    assert handed_back > 0
    states = dict(place.ask("select state, count(*) from imports group by state"))
    assert states == {"completed": len(load.accepted) - 1, "undone": 1}
    assert errors(logs) == []


def await_more(count: Callable[[], int], what: str) -> None:
    """Wait until a count has grown."""
    wanted = count() + MORE
    eventually(lambda: count() >= wanted, f"{MORE} more {what}")


def undo(place: Place, accepted: Accepted, url: str) -> Accepted:
    """Undo an import, and wait until that has ended."""
    httpx.delete(f"{url}/import/{accepted.job}").raise_for_status()
    state = f"select count(*) from imports where id = '{accepted.import_id}' and state = 'undone'"
    eventually(lambda: place.count(state) == 1, "the import is undone")
    return accepted


def compare(place: Place, data: list[Data]) -> tuple[int, int]:
    """Return how many contacts are lost and doubled; asserts that rejections are complete."""
    expected = Counter((each.source, name, email) for each in data for name, email in each.contacts)
    found = Counter(place.ask("select source, name, email from contacts"))
    rejections = place.ask(
        "select i.source, r.record, r.code from import_rejections r "
        "join imports i on i.id = r.import_id"
    )
    assert set(rejections) == {
        (each.source, record, code) for each in data for record, code in each.rejected.items()
    }
    return (expected - found).total(), (found - expected).total()
