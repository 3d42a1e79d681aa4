"""Messages that are delivered twice, late, or for imports that do not exist."""

import json
import time
from typing import Any
from uuid import UUID

import pytest

from core.ids import new_import_id
from core.queue_messages import import_contacts_message, import_part_message
from tests.chaos.conftest import Chaos
from tests.chaos.data import make_data
from tests.chaos.fault_points import hold_at
from tests.chaos.stack import ImporterStack, Sent
from tests.support.faults import START_PART

COPY = """
    with copied as (
      insert into dramatiq.queue (queue_name, message_id, state, message)
      select 'imports', id, 'queued',
             message || jsonb_build_object('message_id', id, 'queue_name', 'imports')
      from (select gen_random_uuid() as id, message from dramatiq.queue
            where message -> 'args' ->> 0 = %s) as originals
      returning message
    )
    select pg_notify('dramatiq.imports.enqueue', message::text) from copied
"""


def deliver_again(stack: ImporterStack, sent: Sent) -> int:
    """Queue copies of all messages of an import; returns how many."""
    return len(stack.query(COPY, sent.import_id))


@pytest.mark.writers
@pytest.mark.parametrize("moment", ["start", "middle", "last"])
@pytest.mark.fault("messages delivered twice")
def test_messages_delivered_twice_at_the_same_time(chaos: Chaos, moment: str, run: int) -> None:
    stack = chaos.stack
    data = make_data(chaos.rng, records=3500)
    hold = hold_at(chaos, moment, [data], lose=False)
    sent = stack.send(data)
    hold.wait()
    starts = stack.proxy.count(START_PART)

    copies = deliver_again(stack, sent)
    stack.proxy.await_more(START_PART, than=starts, seconds=30)
    hold.release()
    over = time.monotonic()

    assert copies > 1
    chaos.audit.settle([sent], over_at=over)


@pytest.mark.writers
@pytest.mark.fault("messages delivered twice")
def test_messages_delivered_again_after_the_end(chaos: Chaos, run: int) -> None:
    stack = chaos.stack
    several, one = (stack.send(make_data(chaos.rng, records=records)) for records in (2500, 100))
    chaos.audit.settle([several, one], over_at=time.monotonic())
    before = [stack.query("select get_import(%s::uuid)", s.import_id) for s in (several, one)]

    assert deliver_again(stack, several) > 2
    assert deliver_again(stack, one) == 1
    chaos.audit.settle([several, one], over_at=time.monotonic())

    after = [stack.query("select get_import(%s::uuid)", s.import_id) for s in (several, one)]
    assert before == after


@pytest.mark.fault("messages for nothing")
def test_messages_for_unknown_imports_and_parts(chaos: Chaos, run: int) -> None:
    stack = chaos.stack
    sent = stack.send(make_data(chaos.rng, records=2000))
    unknown = new_import_id()
    messages: list[dict[str, Any]] = [
        import_contacts_message(unknown),
        import_part_message(unknown, 1),
        import_part_message(UUID(sent.import_id), 999),
    ]

    for message in messages:
        stack.query("select enqueue_message(%s)", json.dumps(message))
    over = time.monotonic()

    chaos.audit.settle([sent], over_at=over)
    ids = [message["message_id"] for message in messages]
    states = "select state::text from dramatiq.queue where message_id = any(%s::uuid[])"
    assert stack.query(states, ids) == [("done",)] * len(ids)
