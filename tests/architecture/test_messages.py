"""The messages of the service name actors that it cannot import: each must exist."""

import uuid

import pytest

from core import queue_messages as messages
from tasks import broker

IMPORT = uuid.UUID("01890000-0000-7000-8000-000000000000")
SENT = [
    messages.import_contacts_message(IMPORT),
    messages.import_part_message(IMPORT, 3),
    messages.notify_import_message(IMPORT),
    messages.undo_import_message(IMPORT),
    messages.erase_address_message(IMPORT),
]


@pytest.mark.parametrize("message", SENT, ids=lambda message: message["actor_name"])
def test_each_message_names_an_actor_on_its_queue(message):
    actor = broker.get_actor(message["actor_name"])
    assert actor.queue_name == message["queue_name"]


@pytest.mark.parametrize("message", SENT, ids=lambda message: message["actor_name"])
def test_each_message_has_the_arguments_that_its_actor_takes(message):
    code = broker.get_actor(message["actor_name"]).fn.__code__
    assert len(message["args"]) == code.co_argcount
    assert message["kwargs"] == {}


def test_each_actor_has_a_message():
    named = {message["actor_name"] for message in SENT}
    assert broker.get_declared_actors() == named
    assert named == {
        messages.IMPORT_CONTACTS, messages.IMPORT_PART, messages.NOTIFY_IMPORT,
        messages.UNDO_IMPORT, messages.ERASE_ADDRESS,
    }  # fmt: skip


def test_the_same_work_has_the_same_message_id():
    assert SENT[0]["message_id"] == messages.import_contacts_message(IMPORT)["message_id"]
    assert SENT[1]["message_id"] == messages.import_part_message(IMPORT, 3)["message_id"]
    assert SENT[2]["message_id"] == messages.notify_import_message(IMPORT)["message_id"]
    assert SENT[3]["message_id"] != messages.undo_import_message(IMPORT)["message_id"]
    assert messages.retry_message(IMPORT) != messages.retry_message(IMPORT)
    others = [(3, 1), (3, 2), (4, 0), (31, 0)]
    ids = {messages.import_part_message(IMPORT, *other)["message_id"] for other in others}
    assert len(ids - {SENT[1]["message_id"]}) == len(others)
