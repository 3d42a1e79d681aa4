"""A named time never shortens the backoff of a message."""

import dramatiq
import pytest
from dramatiq.errors import Retry

from core.errors import PermanentError, TransientError
from tasks import broker
from tasks.errors import RetryLaterError
from tasks.queue import retries as module
from tasks.queue.retries import BackingOffRetries, RetryNoSoonerError


class Queue:
    """A broker that notes after which delay a message is queued again."""

    def __init__(self):
        self.delays = []

    def get_actor(self, name):
        return broker.get_actor(name)

    def enqueue(self, message, *, delay):
        self.delays.append(delay)


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch):
    compute = module.compute_backoff
    monkeypatch.setattr(module, "compute_backoff", lambda *a, **k: compute(*a, jitter=False, **k))


def delay_of(exception, *, actor="import_part", retries=0):
    queue = Queue()
    message = broker.get_actor(actor).message().copy(options={"retries": retries})
    middleware = BackingOffRetries(max_retries=None, min_backoff=1000, max_backoff=60_000)
    middleware.after_process_message(queue, dramatiq.MessageProxy(message), exception=exception)
    (delay,) = queue.delays
    return delay


@pytest.mark.parametrize(
    ("actor", "retries", "delay", "waited"),
    [
        ("import_part", 0, 1_000, 1_000),
        ("import_part", 3, 1_000, 8_000),
        ("import_part", 3, 17_000, 17_000),
        ("import_part", 99, 1_000, 60_000),
        ("notify_import", 0, 1_000, 2_000),
        ("notify_import", 99, 3_600_000, 7_200_000),
    ],
)
def test_a_message_is_not_retried_sooner_than_its_backoff(actor, retries, delay, waited):
    assert delay_of(RetryNoSoonerError("x", delay), actor=actor, retries=retries) == waited


@pytest.mark.parametrize("delay", [0, 1_000])
def test_an_exact_delay_is_not_lengthened(delay):
    assert delay_of(Retry("x", delay), retries=9) == delay


@pytest.mark.parametrize(("named", "seconds"), [(0, 0), (7, 7), (60, 60), (86_400, 60)])
def test_named_time_is_limited_to_a_minute(named, seconds):
    assert (
        RetryLaterError.because_of(
            TransientError("storage", "busy", retry_after=named), "x"
        ).seconds
        == seconds
    )


def test_without_a_named_time_only_the_backoff_applies():
    assert RetryLaterError.because_of(TransientError("storage", "busy"), "x").seconds is None
    assert RetryLaterError.because_of(PermanentError("storage", "no"), "x").seconds is None
