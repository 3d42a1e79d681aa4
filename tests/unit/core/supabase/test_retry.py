import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import tenacity

from core.errors import PermanentError, TransientError
from core.supabase import retry as module
from core.supabase.retry import retrying, retrying_async


class Flaky:
    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    async def later(self):
        return self()


BUSY = TransientError("storage", "busy")


def test_transient_errors_are_retried():
    flaky = Flaky(BUSY, BUSY)
    assert retrying(10)(flaky) == "done"
    assert flaky.calls == 3


async def test_coroutines_are_retried():
    flaky = Flaky(BUSY, BUSY)
    assert await retrying_async(10)(flaky.later) == "done"
    assert flaky.calls == 3


async def test_retries_are_observed_and_last_failures_are_not(monkeypatch):
    monkeypatch.setattr(module, "_backoff", tenacity.wait_none())
    seen = []
    database = TransientError("database", "busy")
    retrying(10, on_retry=seen.append)(Flaky(BUSY, database))
    await retrying_async(10, seen.append)(Flaky(database).later)
    async for attempt in retrying_async(10, seen.append):
        with attempt:
            if not seen.count("again"):
                seen.append("again")
                raise BUSY
    assert seen == ["storage", "database", "database", "again", "storage"]
    with pytest.raises(TransientError):
        retrying(0, on_retry=seen.append)(Flaky(BUSY))
    assert len(seen) == 5


@pytest.mark.parametrize("error", [PermanentError("storage", "no"), ValueError()])
def test_other_errors_are_not_retried(error):
    flaky = Flaky(error)
    with pytest.raises(type(error)):
        retrying(10)(flaky)
    assert flaky.calls == 1


class Clock:
    """Time passes only while somebody waits."""

    def __init__(self, monkeypatch):
        self.now, self.slept = 0.0, []
        monkeypatch.setattr(tenacity.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(tenacity.nap.time, "sleep", self.sleep)

    def sleep(self, seconds):
        self.now += seconds
        self.slept.append(seconds)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def backoff(monkeypatch):
    """Of 3 seconds, always."""
    monkeypatch.setattr(module, "_backoff", tenacity.wait_fixed(3))


@pytest.mark.parametrize(
    ("named", "waited"), [(None, 3), (0, 3), (2, 3), (7, 7), (60, 60), (61, 60), (86_400, 60)]
)
def test_retry_after_is_at_least_the_backoff_and_at_most_a_minute(clock, backoff, named, waited):
    busy = TransientError("storage", "busy", retry_after=named)
    assert retrying(600)(Flaky(busy, busy)) == "done"
    assert clock.slept == [waited, waited]


def test_a_retry_after_of_a_day_does_not_end_the_retries(clock, backoff):
    """The next try is within the deadline, though the time that was named is not."""
    busy = TransientError("storage", "busy", retry_after=86_400)
    assert retrying(100)(Flaky(busy)) == "done"
    with pytest.raises(TransientError):
        retrying(100)(Flaky(busy, busy))


def test_no_wait_beyond_the_deadline(clock):
    with pytest.raises(TransientError):
        retrying(1)(Flaky(TransientError("storage", "busy", retry_after=60)))
    assert clock.slept == []


def test_the_last_error_is_raised_at_the_deadline(clock, backoff):
    last = TransientError("storage", "still busy")
    with pytest.raises(TransientError) as error:
        retrying(10)(Flaky(BUSY, BUSY, BUSY, last, BUSY))
    assert error.value is last
    assert clock.slept == [3, 3, 3]


def test_a_stopping_process_retries_for_a_few_seconds_only(clock, monkeypatch):
    monkeypatch.setattr(module, "_backoff", tenacity.wait_fixed(1))
    monkeypatch.setattr(module.time, "sleep", clock.sleep)
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(TransientError):
        retrying(600, stopping)(Flaky(*[BUSY] * 50))
    assert clock.slept == [1, 1]


def test_a_wait_ends_once_the_process_is_stopping():
    stopping = threading.Event()
    flaky = Flaky(TransientError("storage", "busy", retry_after=60))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(retrying(600, stopping), flaky)
        stopping.set()
        assert waiting.result(30) == "done"
    assert flaky.calls == 2
