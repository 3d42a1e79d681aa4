"""Clients that send everything twice at the same instant, with one key, until they are answered."""

import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import pytest

from tests.chaos.conftest import Chaos
from tests.chaos.data import Data, make_data
from tests.chaos.fault_points import each
from tests.chaos.stack import ImporterStack, Sent
from tests.chaos.supervised_process import eventually
from tests.support.faults import (
    APPEND,
    CREATE_IMPORT,
    DISCARD_IMPORT,
    FOR_EVER,
    JOIN_IMPORT,
    PUT,
    Hold,
    LoseAnswer,
)

IMPORTS, TWICE = 3, 2

# A request that comes a little late finds the other's import, and neither stores nor records any.
MOMENTS: dict[str, Callable[[random.Random], Hold]] = {
    "looking": lambda rng: Hold(JOIN_IMPORT, rng.randrange(6), after=rng.random() < 0.5),
    "storing": lambda rng: Hold(PUT, rng.randrange(IMPORTS), lose=True),
    "mid-upload": lambda rng: Hold(APPEND, rng.randrange(6), after=rng.random() < 0.5),
    "stored": lambda rng: Hold(PUT, rng.randrange(IMPORTS), after=True),
    "recording": lambda rng: Hold(CREATE_IMPORT, rng.randrange(IMPORTS), lose=True),
    "recorded": lambda rng: Hold(CREATE_IMPORT, rng.randrange(IMPORTS), after=True),
}


def until_accepted(stack: ImporterStack, data: Data) -> Sent:
    def accepted() -> Sent | None:
        sent = stack.send(data, key=data.source)
        assert sent.status in {0, 202, 503}, sent.text
        return sent if sent.status == 202 else None

    sent: Sent = eventually(accepted, "the import is accepted")
    return sent


def sent_twice(
    pool: ThreadPoolExecutor, stack: ImporterStack, data: list[Data]
) -> "list[Future[Sent]]":
    twice = [one for one in data for _ in range(TWICE)]
    return [pool.submit(until_accepted, stack, one) for one in twice]


def settle(
    chaos: Chaos, sending: "list[Future[Sent]]", over: float, *, sweep: bool = False
) -> None:
    """Both were answered with one import, of which there is one, with its object; see Audit."""
    answers = iter([future.result() for future in sending])
    imports = []
    while pair := list(islice(answers, TWICE)):
        assert len({one.job for one in pair}) == 1
        imports.append(pair[0])
    chaos.audit.settle(imports, over_at=over, sweep=sweep)
    for one in imports:
        found = chaos.stack.query(
            "select id::text, object from imports where source = %s", one.data.source
        )
        assert found == [(one.import_id, f"{one.job}.{one.data.ending}")]


@pytest.mark.fault("one key twice, kill -9 of the service")
@pytest.mark.parametrize("moment", each(MOMENTS, fast=["recorded"]))
def test_the_service_is_killed_while_requests_come_twice(
    chaos: Chaos, moment: str, run: int
) -> None:
    stack = chaos.stack
    size = (400, 40_000) if moment == "mid-upload" else (400, 700)
    data = [make_data(chaos.rng, records=size[0], pad=size[1]) for _ in range(IMPORTS)]
    stack.proxy.inject(hold := MOMENTS[moment](chaos.rng))

    with ThreadPoolExecutor() as pool:
        sending = sent_twice(pool, stack, data)
        hold.wait()
        stack.service.kill()
        over = time.monotonic()
        hold.release()

    settle(chaos, sending, over, sweep=True)


@pytest.mark.fault("one key twice, create_import's answers lost")
def test_answers_are_lost_while_requests_come_twice(chaos: Chaos, run: int) -> None:
    stack = chaos.stack
    data = [make_data(chaos.rng, records=400) for _ in range(IMPORTS)]
    stack.proxy.inject(LoseAnswer(CREATE_IMPORT, times=10, chance=0.6, rng=chaos.rng))

    with ThreadPoolExecutor() as pool:
        sending = sent_twice(pool, stack, data)

    settle(chaos, sending, time.monotonic())


@pytest.mark.slow
@pytest.mark.fault("one key twice, create_import's answers lost")
def test_all_answers_are_lost_while_requests_come_twice(chaos: Chaos, run: int) -> None:
    """Nobody begins what was recorded, so it is taken back, unless the other request was faster."""
    stack = chaos.stack
    stack.workers.stop()
    data = [make_data(chaos.rng, records=400) for _ in range(IMPORTS)]
    stack.proxy.inject(lost := LoseAnswer(CREATE_IMPORT, times=FOR_EVER))

    with ThreadPoolExecutor() as pool:
        sending = sent_twice(pool, stack, data)
        stack.proxy.await_more(DISCARD_IMPORT, than=chaos.rng.randrange(IMPORTS), seconds=60)
        lost.times = 0
    over = time.monotonic()
    stack.workers.start()

    settle(chaos, sending, over)
