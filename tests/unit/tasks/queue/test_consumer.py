from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from dramatiq import Message, MessageProxy
from dramatiq import errors as dramatiq_errors
from dramatiq.errors import Retry
from dramatiq_pg.broker import PostgresConsumer
from psycopg2 import InterfaceError, OperationalError
from psycopg2.pool import PoolError

from tasks.queue import consumer as module
from tasks.queue.consumer import Consumer, Delivery


def message(number=1):
    return Message("imports", "import_part", (), {}, {}, message_id=str(number))


class FakeConnection:
    def __init__(self):
        self.closed = False

    def close(self):
        self.closed = True


class FakePool:
    def __init__(self):
        self.returned = []

    def putconn(self, conn):
        self.returned.append((conn, conn.closed))


@pytest.fixture
def consumer():
    return Consumer(pool=FakePool(), queue_name="imports", prefetch=2, timeout=1000)


class FakeQueue:
    """The states that messages are given, and whether they were still locked then."""

    def __init__(self, consumer):
        self.consumer = consumer
        self.settled = []

    @contextmanager
    def transaction(self, pool):
        assert pool is self.consumer.pool
        yield self
        assert self.consumer.unlock_q.empty(), "another process would have it done again"

    def execute(self, query, parameters):
        state, message_id, queue = parameters
        assert queue == "imports"
        self.settled.append((message_id, state))


@pytest.fixture
def queue(consumer, monkeypatch):
    queue = FakeQueue(consumer)
    monkeypatch.setattr(module, "transaction", queue.transaction)
    return queue


def test_consumer_returns_deliveries(consumer, monkeypatch):
    taken = [MessageProxy(message()), None]
    monkeypatch.setattr(PostgresConsumer, "__next__", lambda self: taken.pop(0))
    delivery = next(consumer)
    assert isinstance(delivery, Delivery)
    assert delivery.message_id == "1"
    assert not delivery.raised
    assert next(consumer) is None


@pytest.mark.parametrize(("settle", "state"), [("ack", "done"), ("nack", "rejected")])
def test_a_message_is_settled_before_its_lock_is_released(consumer, queue, settle, state):
    consumer.in_processing.add("1")
    delivery = Delivery(message())
    getattr(consumer, settle)(delivery)
    assert queue.settled == [("1", state)]
    assert consumer.unlock_q.get_nowait() is delivery
    assert not consumer.in_processing


def test_a_full_process_takes_another_message_once_one_is_done(consumer, queue, monkeypatch):
    monkeypatch.setattr(PostgresConsumer, "__next__", lambda self: MessageProxy(message(3)))
    monkeypatch.setattr(module, "_FULL_SECONDS", 0.01)
    consumer.in_processing |= {"1", "2"}
    assert next(consumer) is None

    monkeypatch.setattr(module, "_FULL_SECONDS", 60)
    with ThreadPoolExecutor() as threads:
        taken = threads.submit(next, consumer)
        consumer.ack(Delivery(message()))
        assert taken.result().message_id == "3"


@pytest.mark.parametrize("error", [Retry("later"), ZeroDivisionError(), SystemExit()])
def test_ack_of_a_message_whose_actor_raised_only_releases_it(consumer, queue, error):
    consumer.in_processing.add("1")
    delivery = Delivery(message())
    delivery.stuff_exception(error)
    consumer.ack(delivery)
    assert queue.settled == []
    assert not consumer.in_processing
    assert consumer.unlock_q.get_nowait() is delivery


def test_ack_of_a_message_of_a_former_consumer(consumer, queue):
    consumer.ack(Delivery(message(7)))
    assert queue.settled == [("7", "done")]


class FakeLook:
    """A queue of ``unclaimed`` messages: what the look in the database finds, page by page."""

    def __init__(self, monkeypatch, unclaimed=0):
        self.unclaimed = unclaimed
        self.asked = []
        self.waits = 0
        monkeypatch.setattr(module, "transaction", self.transaction)
        monkeypatch.setattr(Consumer, "get_listen_conn", lambda self: None)
        monkeypatch.setattr(Consumer, "_wait_for_notify", self.wait)

    @contextmanager
    def transaction(self, _):
        yield self

    def execute(self, query, parameters):
        self.asked.append(parameters)

    def __iter__(self):
        page = min(self.asked[-1][1], self.unclaimed)
        self.unclaimed -= page
        return iter([(message().encode().decode(),)] * page)

    def wait(self, _=None):
        self.waits += 1


def test_an_idle_consumer_looks_for_unclaimed_messages_every_few_seconds(consumer, monkeypatch):
    look, clock = FakeLook(monkeypatch), [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    consumer._next_look = 1005.0
    for _ in range(20):
        assert len(look.asked) == 0 or clock[0] > 1005
        consumer.poll_for_notify()
        clock[0] += 1
    assert 2 <= len(look.asked) <= 5
    assert look.waits == 20


def test_fetch_pending_notifies_returns_one_page_of_messages(consumer, monkeypatch):
    look = FakeLook(monkeypatch, unclaimed=3)
    found = consumer.fetch_pending_notifies()
    assert look.asked == [("imports", 100)]
    assert [Message.decode(one.payload.encode()).message_id for one in found] == ["1"] * 3


def test_poll_for_notify_does_not_wait_while_pages_are_full(consumer, monkeypatch):
    look = FakeLook(monkeypatch, unclaimed=250)
    consumer._next_look = 0.0
    for _ in range(4):
        consumer.notifies = []
        consumer.poll_for_notify()
        consumer._next_look = float("inf")
    assert (len(look.asked), look.unclaimed) == (3, 0)
    assert look.waits == 2


def test_poll_for_notify_looks_for_no_messages_after_a_notification(consumer, monkeypatch):
    monkeypatch.setattr(Consumer, "fetch_pending_notifies", lambda self: pytest.fail("looked"))
    monkeypatch.setattr(Consumer, "_wait_for_notify", lambda self: self.notifies.append("news"))
    consumer._next_look = 0.0
    consumer.poll_for_notify()


def test_locks_of_done_messages_are_released_before_the_next_message_is_taken(
    consumer, monkeypatch
):
    life = []
    monkeypatch.setattr(Consumer, "purge_locks", lambda self: life.append("let go"))
    monkeypatch.setattr(PostgresConsumer, "__next__", lambda self: life.append("took"))
    next(consumer)
    consumer.unlock_q.put_nowait(message())
    next(consumer)
    assert life == ["took", "let go", "took"]


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize(
    "use",
    [
        next,
        lambda consumer: consumer.consume_one(message()),
        lambda consumer: consumer.fetch_pending_notifies(),
        lambda consumer: consumer.requeue([Delivery(message())]),
    ],
    ids=["next", "consume", "look", "requeue"],
)
def test_a_lost_connection_is_a_connection_error_of_dramatiq(consumer, monkeypatch, use, error):
    def lost(self):
        raise error

    monkeypatch.setattr(Consumer, "get_listen_conn", lost)
    monkeypatch.setattr(Consumer, "get_consume_conn", lost)
    with pytest.raises(dramatiq_errors.ConnectionError):
        use(consumer)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_message_that_cannot_be_settled_stays_in_processing(consumer, queue, monkeypatch, error):
    def lost(pool):
        raise error

    consumer.in_processing.add("1")
    with monkeypatch.context() as unavailable:
        unavailable.setattr(module, "transaction", lost)
        with pytest.raises(dramatiq_errors.ConnectionError):
            consumer.ack(Delivery(message()))
    assert consumer.unlock_q.empty()
    assert consumer.in_processing == {"1"}

    consumer.ack(Delivery(message()))
    assert queue.settled == [("1", "done")]
    assert not consumer.in_processing


def test_close_ends_the_sessions_of_the_consumer(consumer):
    listen, consume = FakeConnection(), FakeConnection()
    consumer._listen_conn, consumer._consume_conn = listen, consume
    consumer.close()
    assert {conn for conn, closed in consumer.pool.returned if closed} == {listen, consume}


def test_close_of_a_consumer_without_connections(consumer):
    consumer.close()


def test_close_while_its_thread_returns_the_same_connections(consumer, monkeypatch):
    """Another error than a lost connection would end a stopping process with exit code 1."""

    def putconn(_):
        raise PoolError("trying to put unkeyed connection")

    monkeypatch.setattr(consumer.pool, "putconn", putconn)
    listen, consume = FakeConnection(), FakeConnection()
    consumer._listen_conn, consumer._consume_conn = listen, consume
    consumer.close()
    assert listen.closed
    assert consume.closed


def test_requeue_while_stopping_without_postgres_is_a_connection_error(consumer, monkeypatch):
    """dramatiq takes this error for a lost connection; another one would end the process with 1."""

    def requeue(*_):
        raise PoolError("Postgres is unavailable, and the process is stopping")

    monkeypatch.setattr(PostgresConsumer, "requeue", requeue)
    with pytest.raises(dramatiq_errors.ConnectionError):
        consumer.requeue([Delivery(message())])
