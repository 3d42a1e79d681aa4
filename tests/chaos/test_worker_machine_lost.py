"""A worker machine vanishes without a word, as when its power or its network is cut."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.chaos.audit import Audit
from tests.chaos.conftest import SEED, add_verdict
from tests.chaos.data import make_data
from tests.chaos.stack import ImporterStack, Sent, running_importer_stack
from tests.chaos.supervised_process import SupervisedProcess, eventually
from tests.chaos.table_rules import TRIGGER, rule_on_contacts
from tests.support.faults import START_PART
from tests.support.network import AVAILABLE, WHY_NOT, Network, two_machines

NOTICED = 60.0
RECORDS = 3000
MOMENTS = {"start": 1, "middle": RECORDS // 2, "last": RECORDS * 4 // 5}
"""How many contacts are there when the cable is pulled."""


@dataclass
class Apart:
    """An importer on the near machine, and workers on the far one."""

    network: Network
    stack: ImporterStack
    far: SupervisedProcess
    audit: Audit
    rng: random.Random


@pytest.fixture
def apart(request: pytest.FixtureRequest) -> Iterator[Apart]:
    with (
        two_machines() as network,
        network.near.inside(),
        running_importer_stack(host=network.near.address) as stack,
    ):
        # Straight to Postgres: a proxy's kernel would go on answering for the dead.
        direct = {name: stack.env[name] for name in ("SUPABASE_URL", "DATABASE_URL")}
        far = stack.machine("far", **direct)
        stack.workers.stop()
        with network.far.inside():
            far.start()
        audit = Audit(stack)
        audit.begin()
        print(f"CHAOS_SEED={SEED}")
        try:
            yield Apart(network, stack, far, audit, random.Random(f"{SEED} {request.node.nodeid}"))
        finally:
            network.plug()
            far.stop()
        add_verdict(request, audit)


@pytest.mark.skipif(not AVAILABLE, reason=WHY_NOT)
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.fault("a worker machine's cable pulled")
def test_others_take_up_the_work_of_a_machine_that_fell_silent(
    apart: Apart, moment: str, run: int
) -> None:
    stack = apart.stack
    sent = in_far_hands(apart, until=MOMENTS[moment], then=apart.network.pull)
    over = time.monotonic()
    stack.proxy.await_more(START_PART, than=0, seconds=NOTICED)
    print(f"{moment}: work is resumed after {time.monotonic() - over:.1f} s")

    apart.audit.settle([sent], over_at=over, within=NOTICED)
    the_stranded_do_no_harm(apart, sent)


def in_far_hands(apart: Apart, *, until: int, then: Callable[[], None]) -> Sent:
    """An import of which the far workers have all parts, and the near ones nothing to do.

    Something is done when so many contacts are there, while others are being written.
    """
    stack = apart.stack
    data = make_data(apart.rng, records=RECORDS)
    slow = {"numbers": ", ".join(map(str, range(RECORDS + 1))), "deed": "perform pg_sleep(0.008)"}
    with rule_on_contacts(stack, TRIGGER, data, **slow):
        sent = stack.send(data)
        left = "select count(*) from import_parts where import_id = %s and state = 'queued'"
        eventually(lambda: stack.query(left, sent.import_id) == [(0,)], "all parts are begun")
        stack.workers.start()
        there = "select count(*) >= %s from contacts where source = %s"
        eventually(lambda: stack.query(there, until, data.source)[0][0], "some contacts are there")
        assert stack.proxy.count(START_PART) == 0, "the near workers should be idle"
        then()
    return sent


def the_stranded_do_no_harm(apart: Apart, sent: Sent) -> None:
    """They come back to what others have done, and can work again."""
    apart.network.plug()
    over = time.monotonic()
    apart.stack.workers.stop()
    another = apart.stack.send(make_data(apart.rng, records=1000))
    verdict = apart.audit.verdict
    apart.audit.settle([sent, another], over_at=over, within=NOTICED)
    apart.audit.verdict = verdict
