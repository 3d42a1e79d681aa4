"""A worker machine is lost without closing its connections, as when its network is cut."""

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
"""How many contacts there are when the cable is cut."""


@dataclass
class TwoMachines:
    """An importer on the near machine, and workers on the far machine."""

    network: Network
    stack: ImporterStack
    far: SupervisedProcess
    audit: Audit
    rng: random.Random


@pytest.fixture
def machines(request: pytest.FixtureRequest) -> Iterator[TwoMachines]:
    with (
        two_machines() as network,
        network.near.inside(),
        running_importer_stack(host=network.near.address) as stack,
    ):
        # Directly to Postgres: the kernel of a proxy would keep answering for the lost machine.
        direct = {name: stack.env[name] for name in ("SUPABASE_URL", "DATABASE_URL")}
        far = stack.machine("far", **direct)
        stack.workers.stop()
        with network.far.inside():
            far.start()
        audit = Audit(stack)
        audit.begin()
        print(f"CHAOS_SEED={SEED}")
        try:
            yield TwoMachines(
                network, stack, far, audit, random.Random(f"{SEED} {request.node.nodeid}")
            )
        finally:
            network.plug()
            far.stop()
        add_verdict(request, audit)


@pytest.mark.skipif(not AVAILABLE, reason=WHY_NOT)
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.fault("a worker machine's cable pulled")
def test_worker_machine_loses_its_network(machines: TwoMachines, moment: str, run: int) -> None:
    stack = machines.stack
    sent = import_on_the_far_machine(machines, until=MOMENTS[moment], then=machines.network.pull)
    over = time.monotonic()
    stack.proxy.await_more(START_PART, than=0, seconds=NOTICED)
    print(f"{moment}: work is resumed after {time.monotonic() - over:.1f} s")

    machines.audit.settle([sent], over_at=over, within=NOTICED)
    assert_far_workers_do_no_harm(machines, sent)


def import_on_the_far_machine(
    machines: TwoMachines, *, until: int, then: Callable[[], None]
) -> Sent:
    """Send an import whose parts are all started by the far workers; the near ones are idle.

    ``then`` is called when there are ``until`` contacts, while others are being written.
    """
    stack = machines.stack
    data = make_data(machines.rng, records=RECORDS)
    slow = {"numbers": ", ".join(map(str, range(RECORDS + 1))), "action": "perform pg_sleep(0.008)"}
    with rule_on_contacts(stack, TRIGGER, data, **slow):
        sent = stack.send(data)
        left = "select count(*) from import_parts where import_id = %s and state = 'queued'"
        eventually(lambda: stack.query(left, sent.import_id) == [(0,)], "all parts are started")
        stack.workers.start()
        there = "select count(*) >= %s from contacts where source = %s"
        eventually(lambda: stack.query(there, until, data.source)[0][0], "some contacts are there")
        assert stack.proxy.count(START_PART) == 0, "the near workers should be idle"
        then()
    return sent


def assert_far_workers_do_no_harm(machines: TwoMachines, sent: Sent) -> None:
    """Assert that the far workers, connected again, change nothing and can import again."""
    machines.network.plug()
    over = time.monotonic()
    machines.stack.workers.stop()
    another = machines.stack.send(make_data(machines.rng, records=1000))
    verdict = machines.audit.verdict
    machines.audit.settle([sent, another], over_at=over, within=NOTICED)
    machines.audit.verdict = verdict
