import json
from uuid import UUID

import pytest
from dramatiq import Message

from core.queue_messages import (
    QUEUE,
    SMALL_QUEUE,
    WEBHOOK_QUEUE,
    first_message,
    import_contacts_message,
    import_part_message,
    notify_import_message,
    retry_message,
    undo_import_message,
)

IMPORT = UUID("01a2072c-a553-70c3-afd6-2ab12031aef1")


def test_dramatiq_decodes_a_message():
    message = Message.decode(json.dumps(import_part_message(IMPORT, 3)).encode())
    assert (message.queue_name, message.actor_name) == (QUEUE, "import_part")
    assert tuple(message.args) == (str(IMPORT), 3)
    assert UUID(message.message_id)


def test_equal_work_has_the_same_message_id_and_other_work_another():
    ids = [
        message["message_id"]
        for message in (
            import_contacts_message(IMPORT),
            import_part_message(IMPORT, 1),
            import_part_message(IMPORT, 2),
            import_part_message(UUID(int=IMPORT.int + 1), 1),
            undo_import_message(IMPORT),
        )
    ]
    assert len(set(ids)) == 5
    assert import_part_message(IMPORT, 2)["message_id"] == ids[2]


def test_each_retry_has_a_new_message():
    again, once_more = retry_message(IMPORT), retry_message(IMPORT)
    assert again["message_id"] != once_more["message_id"]
    assert (again["actor_name"], again["args"]) == ("import_contacts", [str(IMPORT)])


def test_messages_carry_the_span_that_queued_them():
    made = [
        first_message(IMPORT, 1, 5, "00-a-b-01"),
        first_message(IMPORT, 2, 5, "00-a-b-01"),
        notify_import_message(IMPORT, "00-a-b-01"),
        retry_message(IMPORT, "00-a-b-01"),
        undo_import_message(IMPORT, "00-a-b-01"),
    ]
    assert [message["options"] for message in made] == [{"traceparent": "00-a-b-01"}] * 5
    assert made[1]["message_id"] == import_contacts_message(IMPORT)["message_id"]


def test_messages_carry_only_ids():
    message = import_contacts_message(IMPORT)
    assert (message["args"], message["kwargs"], message["options"]) == ([str(IMPORT)], {}, {})


@pytest.mark.parametrize("parts", [0, 1, 2, 100])
def test_first_message_of_an_import_with_one_part_is_for_that_part(parts):
    told = import_part_message(IMPORT, 1) if parts == 1 else import_contacts_message(IMPORT)
    assert first_message(IMPORT, parts, 5)["message_id"] == told["message_id"]


@pytest.mark.parametrize(
    ("parts", "size", "queue"),
    [(1, 5, SMALL_QUEUE), (1, 262_144, SMALL_QUEUE), (1, 262_145, QUEUE), (2, 5, SMALL_QUEUE)],
)
def test_first_message_is_in_the_queue_of_what_takes_short(parts, size, queue):
    """Of an import with several parts, that is the message that queues them."""
    assert first_message(IMPORT, parts, size)["queue_name"] == queue


def test_webhooks_have_a_queue_of_their_own():
    assert notify_import_message(IMPORT)["queue_name"] == WEBHOOK_QUEUE
