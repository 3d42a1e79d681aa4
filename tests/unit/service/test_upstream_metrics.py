"""The upstreams are asked seldom, by deadline, and their failures are metrics."""

import asyncio
from unittest.mock import AsyncMock

import pytest
from prometheus_client import CollectorRegistry

from core.errors import PermanentError
from service import upstream_metrics as module
from service.repository import MessageCounts, PartCounts, QueueStatistics
from service.upstream_metrics import UpstreamMetrics
from tests.unit.service.fakes import away

FOUND = QueueStatistics(
    queues={"imports": MessageCounts(waiting=3, running=2, delayed=1, age=7.5)},
    imports={"queued": 4, "undo_failed": 1},
    parts=PartCounts(open=9, importing=2),
    sweeps={"messages": 1_795_416_631.0},
)
SAMPLES = {
    'queue_messages{queue="imports",state="waiting"}': 3,
    'queue_messages{queue="imports",state="running"}': 2,
    'queue_messages{queue="imports",state="delayed"}': 1,
    'queue_oldest_message_age_seconds{queue="imports"}': 7.5,
    'open_imports{state="queued"}': 4,
    'open_imports{state="importing"}': 0,
    'open_imports{state="cancelling"}': 0,
    'open_imports{state="undoing"}': 0,
    'open_imports{state="undo_failed"}': 1,
    'open_parts{state="queued"}': 7,
    'open_parts{state="importing"}': 2,
    'sweep_last_start_timestamp_seconds{kind="messages"}': 1_795_416_631.0,
}


def samples(metrics: UpstreamMetrics) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(metrics)
    return {
        "{}{{{}}}".format(
            sample.name.removeprefix("contacts_importer_"),
            ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items())),
        ): sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def up(database: float, storage: float) -> dict[str, float]:
    return {
        'upstream_up{upstream="database"}': database,
        'upstream_up{upstream="storage"}': storage,
    }


async def test_answers_become_metrics():
    metrics = UpstreamMetrics(AsyncMock(return_value=FOUND), AsyncMock())
    await metrics.refresh()
    assert samples(metrics) == SAMPLES | up(1, 1)


@pytest.mark.parametrize("error", [away("database"), PermanentError("database", "no function")])
async def test_without_the_database_its_metrics_are_left_out(error):
    metrics = UpstreamMetrics(AsyncMock(side_effect=error), AsyncMock())
    await metrics.refresh()
    assert samples(metrics) == up(0, 1)


async def test_without_storage_the_others_stay():
    metrics = UpstreamMetrics(AsyncMock(return_value=FOUND), AsyncMock(side_effect=away()))
    await metrics.refresh()
    assert samples(metrics) == SAMPLES | up(1, 0)


async def test_many_scrapes_ask_once(monkeypatch):
    database, storage = AsyncMock(return_value=FOUND), AsyncMock()
    metrics = UpstreamMetrics(database, storage)
    await asyncio.gather(*(metrics.refresh() for _ in range(20)))
    await metrics.refresh()
    assert (database.await_count, storage.await_count) == (1, 1)
    monkeypatch.setattr(module.time, "monotonic", lambda: float("inf"))
    await metrics.refresh()
    assert (database.await_count, storage.await_count) == (2, 2)


async def test_a_scrape_waits_for_the_deadline_only_and_its_end_cancels_no_other():
    cleaned_up = asyncio.Event()

    async def hang() -> QueueStatistics:
        try:
            await asyncio.Event().wait()
        finally:
            await cleaned_up.wait()
        raise AssertionError

    metrics = UpstreamMetrics(hang, AsyncMock(), deadline=0.01)
    impatient = asyncio.create_task(metrics.refresh())
    await asyncio.sleep(0)
    impatient.cancel()
    await metrics.refresh()
    cleaned_up.set()
    await metrics.refresh()
    assert samples(metrics) == up(0, 1)
