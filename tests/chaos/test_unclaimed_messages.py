"""``dramatiq.unclaimed_messages``: what it returns, and what it costs when the queue is long."""

import json
import select
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import psycopg2
import pytest
from dramatiq import Message
from dramatiq.common import dq_name
from dramatiq_pg.broker import message_lock

from tasks.queue.connections import DeferredPool, connection_arguments
from tasks.queue.consumer import Consumer
from tests.acceptance.conftest import Importer
from tests.chaos.supervised_process import eventually

LOOK = "select message from dramatiq.unclaimed_messages(%s, 100) as message"
QUEUE = "long"


@pytest.fixture
def cursor(importer: Importer) -> Iterator[psycopg2.extensions.cursor]:
    """A session as the workers open it; the messages of the test are removed at its end."""
    with _session(importer) as session:
        yield session
        session.execute("delete from dramatiq.queue where queue_name = %s", (QUEUE,))


@contextmanager
def _session(importer: Importer) -> Iterator[psycopg2.extensions.cursor]:
    connection = psycopg2.connect(**connection_arguments(importer.settings()))
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def test_message_lock_in_sql_is_the_one_of_dramatiq_pg(cursor: psycopg2.extensions.cursor) -> None:
    for _ in range(200):
        message = _message()
        cursor.execute("select dramatiq.message_lock(%s, %s)", (QUEUE, message.message_id))
        assert cursor.fetchone() == (message_lock(message),)


def test_unclaimed_messages_skips_locked_messages(
    importer: Importer, cursor: psycopg2.extensions.cursor
) -> None:
    messages = [_message() for _ in range(350)]
    for message in messages:
        cursor.execute(
            "insert into dramatiq.queue (queue_name, message_id, state, message, mtime) "
            "values (%s, %s, 'consumed', %s, clock_timestamp())",
            (QUEUE, message.message_id, json.dumps(json.loads(message.encode()))),
        )
    with _session(importer) as other_worker:
        for message in messages[:240]:
            other_worker.execute("select pg_try_advisory_lock(%s)", (message_lock(message),))
        assert _look(cursor) == [message.message_id for message in messages[240:340]]
    cursor.execute(
        "update dramatiq.queue set state = 'done' where message_id = %s", (messages[0].message_id,)
    )
    assert _look(cursor) == [message.message_id for message in messages[1:101]]


@pytest.mark.parametrize(("becomes", "taken"), [("done", False), ("queued", True)])
def test_consume_one_of_a_message_that_changes_meanwhile(
    importer: Importer, cursor: psycopg2.extensions.cursor, becomes: str, taken: bool
) -> None:
    message = _message()
    cursor.execute(
        "insert into dramatiq.queue (queue_name, message_id, state, message) "
        "values (%s, %s, 'queued', '{}')",
        (QUEUE, message.message_id),
    )
    with _consumer(importer) as consumer, _session(importer) as other, ThreadPoolExecutor() as pool:
        other.execute("begin")
        other.execute(
            "update dramatiq.queue set state = %s where message_id = %s",
            (becomes, message.message_id),
        )
        taking = pool.submit(consumer.consume_one, message)
        eventually(lambda: _waits(cursor), "consume_one waits for the row")
        other.execute("commit")

        assert taking.result() == taken
        assert _is_locked(cursor, message) == taken
        if taken:
            consumer.unlock_q.put_nowait(message)
            consumer.purge_locks()
        assert not _is_locked(cursor, message)


def test_consume_one_of_a_message_that_was_delayed_meanwhile(
    importer: Importer, cursor: psycopg2.extensions.cursor
) -> None:
    message = _message()
    cursor.execute(
        "insert into dramatiq.queue (queue_name, message_id, state, message) "
        "values (%s, %s, 'consumed', '{}')",
        (dq_name(QUEUE), message.message_id),
    )
    with _consumer(importer) as consumer:
        assert not consumer.consume_one(message)
        assert not _is_locked(cursor, message)
    cursor.execute("delete from dramatiq.queue where queue_name = %s", (dq_name(QUEUE),))


def test_a_notification_that_was_read_before_the_wait_is_not_waited_for(
    importer: Importer, cursor: psycopg2.extensions.cursor, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = _message()
    with _consumer(importer) as consumer:
        connection = consumer.get_listen_conn()
        cursor.execute("select public.enqueue_message(%s)", (message.encode().decode(),))
        with connection.cursor() as other_query:
            other_query.execute("select")
        eventually(lambda: consumer.get_listen_conn().notifies, "the notification is read")

        monkeypatch.setattr(select, "select", lambda *_: pytest.fail("waits for another one"))
        consumer.poll_for_notify()

        assert [json.loads(notify.payload)["message_id"] for notify in consumer.notifies] == [
            message.message_id
        ]


def test_unclaimed_messages_reads_no_more_rows_than_it_returns(
    cursor: psycopg2.extensions.cursor,
) -> None:
    for state, count in (("queued", 100_000), ("done", 100_000)):
        cursor.execute(
            "insert into dramatiq.queue (queue_name, message_id, state, message) "
            "select %s, gen_random_uuid(), %s, '{}' from generate_series(1, %s)",
            (QUEUE, state, count),
        )
    cursor.execute("analyze dramatiq.queue")

    cursor.execute(f"explain (analyze, format json) {LOOK}", (QUEUE,))

    ((plan,),) = cursor.fetchall()
    nodes = list(_nodes(plan[0]["Plan"]))
    assert any(node.get("Index Name") == "queue_pending_idx" for node in nodes), plan
    read = [n["Actual Rows"] for n in nodes if n.get("Relation Name") == "queue"]
    assert max(read) <= 100, plan


def test_worker_sessions_have_short_tcp_keepalives(
    cursor: psycopg2.extensions.cursor,
) -> None:
    settings = {}
    for name in ("idle", "interval", "count"):
        cursor.execute(f"show tcp_keepalives_{name}")
        ((settings[name],),) = cursor.fetchall()
    assert int(settings["idle"]) + int(settings["interval"]) * int(settings["count"]) <= 30


@contextmanager
def _consumer(importer: Importer) -> Iterator[Consumer]:
    pool = DeferredPool()
    pool.open(connection_arguments(importer.settings()), queues=1, threads=1)
    consumer = Consumer(pool=pool, queue_name=QUEUE, prefetch=2, timeout=1000)
    try:
        yield consumer
    finally:
        consumer.close()
        pool.close()


def _waits(cursor: psycopg2.extensions.cursor) -> bool:
    cursor.execute(
        "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%claimed%'"
    )
    return cursor.rowcount > 0


def _is_locked(cursor: psycopg2.extensions.cursor, message: Message[None]) -> bool:
    lock = message_lock(message)
    cursor.execute(
        "select from pg_locks where locktype = 'advisory' and objsubid = 1 "
        "and classid::bigint = (%s >> 32) & 4294967295 and objid::bigint = %s & 4294967295",
        (lock, lock),
    )
    return cursor.rowcount > 0


def _message() -> Message[None]:
    return Message(QUEUE, "import_part", (), {}, {}, message_id=str(uuid4()))


def _look(cursor: psycopg2.extensions.cursor) -> list[str]:
    cursor.execute(LOOK, (QUEUE,))
    return [json.loads(payload)["message_id"] for (payload,) in cursor.fetchall()]


def _nodes(plan: dict[str, object]) -> Iterator[dict[str, object]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)
