from dramatiq.middleware import CurrentMessage, Retries, TimeLimit

from tasks.maintenance.schedule import SweepSchedule
from tasks.queue.broker import broker
from tasks.queue.consumer import Consumer
from tasks.queue.parent_watchdog import WatchedPrometheus
from tasks.queue.retries import BackingOffRetries
from tasks.worker import Runtime


def test_the_order_of_the_middleware_is_the_one_that_is_safe():
    # Boot runs it backwards: Prometheus chooses its folder, then our metrics are made.
    # So does the end of a message: interruptions are off when Retries queues it again.
    kinds = [type(middleware) for middleware in broker.middleware]
    assert kinds == [
        Runtime, SweepSchedule, BackingOffRetries, TimeLimit, CurrentMessage, WatchedPrometheus,
    ]  # fmt: skip


def test_messages_are_retried_for_ever_within_a_minute():
    (retries,) = (one for one in broker.middleware if isinstance(one, Retries))
    assert (retries.max_retries, retries.min_backoff, retries.max_backoff) == (None, 1000, 60_000)


def test_consumers_are_our_own():
    consumer = broker.consume("imports", prefetch=3, timeout=1000)
    assert isinstance(consumer, Consumer)
    assert (consumer.queue_name, consumer.prefetch, consumer.timeout) == ("imports", 3, 1)
