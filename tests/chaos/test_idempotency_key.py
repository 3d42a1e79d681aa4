"""Clients that send each request twice at the same time with one key, until they get an answer."""

import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import pytest

from tests.chaos.conftest import Chaos
from tests.chaos.data import Data, make_data
from tests.chaos.fault_points import parameters
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

# A request that arrives a little later finds the other's import, and stores and records nothing.
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
    twice = [data_set for data_set in data for _ in range(TWICE)]
    return [pool.submit(until_accepted, stack, data_set) for data_set in twice]


def settle(
    chaos: Chaos, sending: "list[Future[Sent]]", over: float, *, sweep: bool = False
) -> None:
    """Assert that both requests got the same import, and that it and its object exist once."""
    answers = iter([future.result() for future in sending])
    imports = []
    while pair := list(islice(answers, TWICE)):
        assert len({request.job for request in pair}) == 1
        imports.append(pair[0])
    chaos.audit.settle(imports, over_at=over, sweep=sweep)
    for request in imports:
        found = chaos.stack.query(
            "select id::text, object from imports where source = %s", request.data.source
        )
        assert found == [(request.import_id, f"{request.job}.{request.data.ending}")]


@pytest.mark.fault("one key twice, kill -9 of the service")
@pytest.mark.parametrize("moment", parameters(MOMENTS, fast=["recorded"]))
def test_service_killed_while_requests_are_sent_twice(chaos: Chaos, moment: str, run: int) -> None:
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
def test_create_import_answers_lost_while_requests_are_sent_twice(chaos: Chaos, run: int) -> None:
    stack = chaos.stack
    data = [make_data(chaos.rng, records=400) for _ in range(IMPORTS)]
    stack.proxy.inject(LoseAnswer(CREATE_IMPORT, times=10, chance=0.6, rng=chaos.rng))

    with ThreadPoolExecutor() as pool:
        sending = sent_twice(pool, stack, data)

    settle(chaos, sending, time.monotonic())


@pytest.mark.slow
@pytest.mark.fault("one key twice, create_import's answers lost")
def test_all_create_import_answers_lost_while_requests_are_sent_twice(
    chaos: Chaos, run: int
) -> None:
    """No worker starts the imports: they are rolled back, unless the other request was faster."""
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
