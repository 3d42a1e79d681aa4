from uuid import UUID

import dramatiq
import pytest
from dramatiq.common import dq_name
from dramatiq.errors import Retry
from dramatiq.middleware import CurrentMessage, TimeLimitExceeded

import tasks
from config.tracing import NO_TRACES
from core import queue_messages as messages
from core.ids import job_id
from tasks.errors import RetryLaterError, WorkerStoppingError
from tasks.queue.broker import runtime
from tasks.queue.message_retries import RetryNoSoonerError
from tests.unit.tasks.fakes import IMPORT


class FakeServices:
    traces = NO_TRACES

    def __init__(self, error=None):
        self.error = error
        self.calls = []

    def import_contacts(self, *arguments):
        self.calls.append(arguments)
        if self.error:
            raise self.error

    notify_import = undo_import = erase_address = import_contacts

    def import_part(self, *arguments, message_id, ended_attempts):
        self.message_id, self.ended_attempts = message_id, ended_attempts
        self.import_contacts(*arguments)


@pytest.fixture
def services(monkeypatch):
    fake = FakeServices()
    monkeypatch.setattr(runtime, "_services", fake)
    return fake


def test_importing_tasks_sets_dramatiqs_broker():
    assert dramatiq.get_broker() is tasks.broker


@pytest.mark.parametrize(
    "message",
    [
        messages.import_contacts_message(IMPORT),
        messages.import_part_message(IMPORT, 3),
        messages.import_part_message(IMPORT, 1, is_small=True),
        messages.notify_import_message(IMPORT),
        messages.undo_import_message(IMPORT),
        messages.erase_address_message(IMPORT),
    ],
)
def test_each_message_names_an_actor_and_its_queue(message, services):
    actor = tasks.broker.get_actor(message["actor_name"])
    assert message["queue_name"] in {actor.queue_name, messages.SMALL_QUEUE}
    actor(*message["args"], **message["kwargs"])
    assert services.calls[0][0] == IMPORT


def test_there_are_no_other_actors_and_no_other_queues():
    assert tasks.broker.get_declared_actors() == {
        messages.IMPORT_CONTACTS, messages.IMPORT_PART, messages.NOTIFY_IMPORT,
        messages.UNDO_IMPORT, messages.ERASE_ADDRESS,
    }  # fmt: skip
    assert tasks.broker.get_declared_queues() == set(messages.QUEUES)
    assert tasks.broker.get_declared_delay_queues() == set(map(dq_name, messages.QUEUES))


@pytest.mark.parametrize(
    ("error", "delay", "kind"),
    [
        (WorkerStoppingError(), 0, Retry),
        (RetryLaterError("away"), None, Retry),
        (RetryLaterError("away", 2.5), 2500, RetryNoSoonerError),
        (RetryLaterError("away", 0), 1000, RetryNoSoonerError),
        (RetryLaterError("once more", 1, exact=True), 1000, Retry),
        (TimeLimitExceeded(), None, Retry),
        (ZeroDivisionError(), None, Retry),
    ],
)
def test_every_error_has_the_message_retried(services, error, delay, kind):
    services.error = error
    calls = [
        (tasks.import_contacts, str(IMPORT)),
        (tasks.import_part, str(IMPORT), 1),
        (tasks.notify_import, job_id(IMPORT)),
        (tasks.undo_import, str(IMPORT)),
    ]
    for actor, *arguments in calls:
        with pytest.raises(Retry) as retry:
            actor(*arguments)
        assert (type(retry.value), retry.value.delay) == (kind, delay)
        assert retry.value.__suppress_context__


@pytest.mark.parametrize(
    "error", [RetryLaterError("away", ended_attempt=IMPORT), WorkerStoppingError(IMPORT)]
)
def test_a_retried_message_carries_the_attempts_whose_end_was_not_recorded(services, error):
    message = messages.import_part_message(IMPORT, 3)
    message = dramatiq.Message(**{**message, "args": tuple(message["args"]), "options": {}})
    actor = tasks.broker.get_actor(message.actor_name)
    current = CurrentMessage()
    current.before_process_message(tasks.queue.broker, message)
    try:
        services.error = error
        for count in range(30):
            with pytest.raises(Retry):
                actor(*message.args)
            assert services.ended_attempts == [IMPORT] * min(count, 20)
            assert services.message_id == UUID(message.message_id)
    finally:
        current.after_process_message(tasks.queue.broker, message)


def test_the_runtime_raises_outside_a_worker_process():
    with pytest.raises(RuntimeError, match="not a worker process"):
        _ = runtime.services
    with pytest.raises(RuntimeError, match="not a worker process"):
        _ = runtime.settings
