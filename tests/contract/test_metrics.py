"""The service's metrics: their form, the queue's statistics, a database without answers."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import psycopg2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.queue_messages import QUEUE, QUEUES, SMALL_QUEUE, WEBHOOK_QUEUE
from embedded.migrations import apply_migrations
from tests.support.database_functions import SMALL, Database, empty_database
from tests.support.faults import FOR_EVER, Hang, rpc
from tests.support.metrics_format import faults, names
from tests.support.new_database import MIGRATIONS, new_database
from tests.support.service import running_service

STATISTICS = rpc("queue_statistics")
ONLY_WITH_THE_DATABASE = {
    "contacts_importer_queue_messages",
    "contacts_importer_queue_oldest_message_age_seconds",
    "contacts_importer_open_imports",
    "contacts_importer_open_parts",
    "contacts_importer_sweep_last_start_timestamp_seconds",
}
HOUR = "interval '1 hour'"


def scrape(client: httpx.Client) -> str:
    return client.get("/metrics").raise_for_status().text


def up(text: str) -> dict[str, float]:
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = families["contacts_importer_upstream_up"].samples
    return {sample.labels["upstream"]: sample.value for sample in samples}


def test_all_metrics_follow_the_conventions(client):
    client.get("/import/x")
    client.post("/import", content=b"{")
    client.post("/import/preview", content=b"[1]", headers={"Content-Type": "application/json"})
    text = scrape(client)
    assert list(faults(text)) == []
    assert names(text) > ONLY_WITH_THE_DATABASE
    assert up(text) == {"database": 1, "storage": 1}


def test_scrapes_go_on_while_the_database_does_not_answer(behind_proxy, proxy):
    proxy.reset(Hang(STATISTICS, times=FOR_EVER))
    with (
        running_service(behind_proxy) as service,
        httpx.Client(base_url=service.url, timeout=30) as client,
    ):
        texts = [scrape(client) for _ in range(3)]
        assert service.await_line(lambda line: line.get("upstream") == "database")
    assert proxy.count(STATISTICS) == 1
    for text in texts:
        assert up(text) == {"database": 0, "storage": 1}
        assert not names(text) & ONLY_WITH_THE_DATABASE
    proxy.reset()


@pytest.fixture(scope="module")
def migrated(embedded_env: Mapping[str, str]) -> Iterator[str]:
    with new_database(embedded_env) as dsn:
        apply_migrations(dsn, MIGRATIONS)
        yield dsn


@pytest.fixture
def database(migrated: str) -> Iterator[Database]:
    with empty_database(migrated) as database:
        yield database


def statistics(database: Database) -> dict[str, Any]:
    [(found,)] = database.ask("select queue_statistics(%s)", list(QUEUES))
    return found


def test_an_empty_queue_has_zeros(database):
    nothing = {"waiting": 0, "running": 0, "delayed": 0, "age": 0}
    assert statistics(database) == {
        "queues": dict.fromkeys(QUEUES, nothing),
        "imports": {"undo_failed": 0},
        "parts": {"open": 0, "importing": 0},
        "sweeps": {"messages": 0, "objects": 0, "retention": 0},
    }


def test_imports_and_parts_are_counted_until_they_end(database):
    small, large = database.create(size=SMALL), database.create(parts=3)
    database.start(large)
    taken = database.take()
    assert statistics(database)["imports"] == {"queued": 1, "importing": 1, "undo_failed": 0}
    assert statistics(database)["parts"] == {"open": 4, "importing": 1}
    database.finish(taken)
    database.finish(database.take_named((small, 1)))
    assert statistics(database)["imports"] == {"importing": 1, "undo_failed": 0}
    assert statistics(database)["parts"] == {"open": 2, "importing": 0}
    database.ask("update imports set state = 'undo_failed' where id = %s", str(small))
    assert statistics(database)["imports"]["undo_failed"] == 1


def enqueue(database: Database, queue: str, *, state: str, ago: str, eta: str = "") -> str:
    message = str(uuid.uuid4())
    option = f"jsonb_build_object('eta', (extract(epoch from now() - {eta}) * 1000)::bigint)"
    database.ask(
        "insert into dramatiq.queue (queue_name, message_id, state, mtime, message) values"
        f" (%s, %s, %s, (now() at time zone 'UTC') - {ago},"
        f" jsonb_build_object('options', {option if eta else 'jsonb_build_object()'}))",
        *(queue, message, state),
    )
    return message


def test_messages_wait_until_a_session_has_locked_them(database, migrated):
    enqueue(database, QUEUE, state="queued", ago=f"2 * {HOUR}")
    died = enqueue(database, QUEUE, state="consumed", ago=f"3 * {HOUR}")
    for state in ("done", "rejected"):
        enqueue(database, QUEUE, state=state, ago=f"9 * {HOUR}")
    found = statistics(database)["queues"]
    assert {name: queue["waiting"] for name, queue in found.items()} == {
        QUEUE: 2,
        SMALL_QUEUE: 0,
        WEBHOOK_QUEUE: 0,
    }
    assert found[QUEUE]["age"] == pytest.approx(3 * 3600, abs=60)

    with psycopg2.connect(migrated) as worker, worker.cursor() as cursor:
        lock = "select pg_advisory_lock(dramatiq.message_lock(%s, %s))"
        cursor.execute(lock, (QUEUE, died))
        found = statistics(database)["queues"][QUEUE]
    worker.close()
    assert (found["waiting"], found["running"]) == (1, 1)
    assert found["age"] == pytest.approx(2 * 3600, abs=60)


def test_a_message_that_was_delayed_waits_since_its_time_has_come(database):
    enqueue(database, f"{WEBHOOK_QUEUE}.DQ", state="consumed", ago=f"2 * {HOUR}")
    enqueue(database, WEBHOOK_QUEUE, state="queued", ago=f"2 * {HOUR}", eta=HOUR)
    found = statistics(database)["queues"][WEBHOOK_QUEUE]
    assert (found["waiting"], found["delayed"]) == (1, 1)
    assert found["age"] == pytest.approx(3600, abs=60)
