from dramatiq.middleware import CurrentMessage, Retries, TimeLimit

from tasks.maintenance.schedule import SweepSchedule
from tasks.queue.broker import broker
from tasks.queue.consumer import Consumer
from tasks.queue.lanes import Lanes
from tasks.queue.message_metrics import MessageMetrics
from tasks.queue.message_retries import BackingOffRetries
from tasks.worker import Runtime


def test_middleware_is_in_a_safe_order():
    # At boot they are called in reverse: the metrics have their folder before our metrics are made.
    # So they are after a message: TimeLimit is off when Retries queues it again.
    kinds = [type(middleware) for middleware in broker.middleware]
    assert kinds == [
        Runtime, Lanes, SweepSchedule, BackingOffRetries, TimeLimit, CurrentMessage,
        MessageMetrics,
    ]  # fmt: skip


def test_messages_are_retried_for_ever_at_least_once_a_minute():
    (retries,) = (one for one in broker.middleware if isinstance(one, Retries))
    assert (retries.max_retries, retries.min_backoff, retries.max_backoff) == (None, 1000, 60_000)


def test_the_broker_uses_our_consumer():
    consumer = broker.consume("imports", prefetch=3, timeout=1000)
    assert isinstance(consumer, Consumer)
    assert (consumer.queue_name, consumer.prefetch, consumer.timeout) == ("imports", 3, 1)
