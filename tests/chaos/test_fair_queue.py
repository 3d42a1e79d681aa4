"""What hands out the parts of imports, and what sends webhooks, is killed."""

import time

import pytest

from tests.chaos.conftest import Chaos
from tests.chaos.data import make_data
from tests.chaos.fault_points import parameters
from tests.chaos.stack import ImporterStack, process_at
from tests.chaos.supervised_process import eventually, kill
from tests.support.faults import Hold
from tests.support.webhook_receiver import Receiver

MESSAGES = 128
"""Parts of an import for which messages are queued at its start; each end of a part adds one."""
WEBHOOK_SECONDS = 30.0


def waiting_parts(stack: ImporterStack) -> int:
    [(count,)] = stack.query(
        "select count(*) from import_parts where state = 'queued' and message_id is null"
    )
    return int(count)


@pytest.mark.writers
@pytest.mark.fault("kill -9 where the next part is queued")
@pytest.mark.parametrize("after", parameters([False, True], fast=[True]))
def test_workers_killed_while_the_end_of_a_part_queues_the_next_one(
    chaos: Chaos, after: bool, run: int
) -> None:
    """All workers die with the request that refills the queue, or with its answer."""
    stack = chaos.stack
    data = make_data(chaos.rng, records=2000, pad=28_000)
    requests, containing = stack.ends
    skip = chaos.rng.randint(1, 40)
    hold = Hold(requests, skip=skip, containing=containing, after=after, lose=True)
    stack.proxy.inject(hold)
    sent = stack.send(data)
    hold.wait()
    assert waiting_parts(stack) > 0

    for pid in stack.workers.pids():
        kill(pid)
    over = time.monotonic()
    hold.release()

    [(parts,)] = stack.query("select count(*) from import_parts")
    assert parts > MESSAGES
    chaos.audit.settle([sent], over_at=over, within=120.0)


@pytest.mark.fault("kill -9 of the webhooks' worker")
def test_the_process_that_sends_webhooks_is_killed(chaos: Chaos, run: int) -> None:
    """Imports go on beside a receiver that does not answer, and the webhook is sent again."""
    stack, receiver = chaos.stack, Receiver()
    receiver.may_answer.clear()
    with receiver.running():
        notified = stack.send(make_data(chaos.rng, records=50), notify=f"{receiver.url}/hook")
        first = receiver.requests.get(timeout=WEBHOOK_SECONDS)
        _, port = receiver.peers.get(timeout=WEBHOOK_SECONDS)

        beside = stack.send(make_data(chaos.rng, records=2000))
        ended = "select count(*) from imports where id = %s and state = 'completed'"
        eventually(lambda: stack.query(ended, beside.import_id) == [(1,)], "the other one ends")

        sender = process_at(stack.workers, port)
        assert sender is not None
        kill(sender.pid)
        over = time.monotonic()
        receiver.may_answer.set()
        again = receiver.requests.get(timeout=WEBHOOK_SECONDS)
        chaos.audit.settle([notified, beside], over_at=over)
    assert again.headers["webhook-id"] == first.headers["webhook-id"]
