import time

import pytest

from config.errors import Permanent, Transient
from config.retrying import retrying, retrying_async


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


BUSY = Transient("storage", "busy")


def test_what_may_work_later_is_tried_again():
    flaky = Flaky(BUSY, BUSY)
    assert retrying(10)(flaky) == "done"
    assert flaky.calls == 3


async def test_coroutines_are_tried_again():
    flaky = Flaky(BUSY, BUSY)
    assert await retrying_async(10)(flaky.later) == "done"
    assert flaky.calls == 3


@pytest.mark.parametrize("error", [Permanent("storage", "no"), ValueError()])
def test_nothing_else_is_tried_again(error):
    flaky = Flaky(error)
    with pytest.raises(type(error)):
        retrying(10)(flaky)
    assert flaky.calls == 1


def test_the_last_error_is_raised_at_the_deadline():
    last = Transient("storage", "still busy")
    flaky = Flaky(*[BUSY] * 50, last)
    start = time.monotonic()
    with pytest.raises(Transient):
        retrying(0.3)(flaky)
    assert time.monotonic() - start < 0.4
    assert flaky.calls >= 2


def test_it_waits_as_long_as_it_is_asked_to():
    start = time.monotonic()
    retrying(10)(Flaky(Transient("storage", "busy", retry_after=0.3)))
    assert time.monotonic() - start >= 0.3


def test_it_does_not_wait_for_what_comes_after_the_deadline():
    start = time.monotonic()
    with pytest.raises(Transient):
        retrying(1)(Flaky(Transient("storage", "busy", retry_after=60)))
    assert time.monotonic() - start < 0.5
