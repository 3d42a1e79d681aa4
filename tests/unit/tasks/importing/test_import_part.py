import json
import threading
from uuid import uuid4

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from core.errors import InvalidTransitionError, PermanentError, TransientError
from core.ids import job_id
from core.states import ImportState
from tasks.errors import (
    ImportCancelledError,
    RetryLaterError,
    StaleAttemptError,
    WorkerStoppingError,
)
from tasks.importing.import_part import ImportPart
from tasks.importing.models import Attempt, PartCancelled, PartEnd, PartGivenUp
from tests.unit.tasks.fakes import (
    IMPORT,
    FakeMetrics,
    FakeRepository,
    FakeStorage,
    FakeWriter,
    work_on,
)

DATA = json.dumps([{"name": f"P{n}"} for n in range(20)] + [17])[1:-1].encode()
ATTEMPT = Attempt(IMPORT, 1)
AWAY = TransientError("database", "cannot be reached at 10.0.0.7", code="unreachable")


class Scene:
    """A part with 21 records, what is around it, and what goes wrong."""

    def __init__(self, *, records=21, read_error=None, write_error=None, **repository):
        self.repository = FakeRepository(work_on(DATA, records=records), **repository)
        self.metrics = FakeMetrics()
        self.writer = FakeWriter(5, error=write_error, repository=self.repository)
        self.storage = FakeStorage(DATA, read_error=read_error)
        self.stopping = threading.Event()
        self.import_part = ImportPart(
            self.repository,
            self.storage,
            lambda _: self.writer,
            self.metrics,
            max_retries=3,
            stopping=self.stopping,
        )

    def run(self, **more):
        self.import_part(IMPORT, 1, **more)
        return self.calls

    @property
    def calls(self):
        return self.repository.calls[1:]


def test_a_part_is_imported_and_its_counts_recorded():
    scene = Scene()
    assert scene.run() == [("finish_part", 20, 1)]
    assert len(scene.writer.stored) == 20
    assert len(scene.writer.rejections) == 1
    assert scene.metrics.seen == ["worked", ("read", 21), ("done", 20, {"not_an_object": 1})]


def test_importing_a_part_twice_changes_nothing():
    scene = Scene()
    scene.run()
    stored = dict(scene.writer.stored)
    scene.run()
    assert scene.writer.stored == stored
    assert [call for call in scene.repository.calls if call[0] == "finish_part"] == [
        ("finish_part", 20, 1), ("finish_part", 20, 1),
    ]  # fmt: skip


def test_a_part_that_has_ended_is_not_imported():
    scene = Scene()
    scene.repository.work = None
    assert scene.run() == []
    assert scene.metrics.seen == []


def test_a_part_that_is_given_up_is_counted_and_closes_its_import():
    scene = Scene()
    scene.repository.work = PartGivenUp(ATTEMPT, PartEnd(True, ImportState.FAILED, True, 1.5))
    with capture_logs() as logs:
        assert scene.run() == []
    assert scene.metrics.seen == ["failed"]
    assert [line["event"].split(":")[0] for line in logs] == ["part given up", "import closed"]


def test_a_part_of_an_import_that_is_being_cancelled_is_not_started():
    scene = Scene()
    scene.repository.work = PartCancelled(ATTEMPT, PartEnd(True, ImportState.CANCELLED, True, 1.5))
    with capture_logs() as logs:
        assert scene.run() == []
    assert scene.metrics.seen == ["cancelled"]
    assert [line["event"].split(":")[0] for line in logs] == ["part cancelled", "import closed"]


def test_a_part_is_cancelled_between_two_batches():
    scene = Scene(write_error=ImportCancelledError("it is being cancelled"))
    assert scene.run() == [("cancel_part",)]
    assert scene.metrics.seen[-1] == "cancelled"
    assert scene.writer.opened == 0


@pytest.mark.parametrize(
    "error", [AWAY, PermanentError("database", "key revoked", code="PGRST301")]
)
def test_a_cancellation_that_cannot_be_recorded_is_retried(error):
    with pytest.raises(RetryLaterError):
        Scene(write_error=ImportCancelledError("x"), error=error, failing={"cancel_part"}).run()


def test_a_part_that_has_ended_meanwhile_is_not_cancelled():
    scene = Scene(
        write_error=ImportCancelledError("x"),
        error=InvalidTransitionError("it is done"),
        failing={"cancel_part"},
    )
    assert scene.run() == [("cancel_part",)]
    assert "cancelled" not in scene.metrics.seen


def test_a_part_that_may_have_killed_its_worker_is_imported_in_an_exclusive_run():
    scene = Scene()
    scene.repository.needs_exclusive_run = True
    scene.run()
    assert scene.repository.calls == [
        ("start_part", IMPORT, 1, False), ("start_part", IMPORT, 1, True), ("finish_part", 20, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("records", [20, 22])
def test_a_part_with_another_number_of_records_than_accepted_fails(records):
    (call,) = Scene(records=records).run()
    assert call == (
        "fail_part", "count_mismatch", f"The part holds 21 records; {records} were accepted.",
    )  # fmt: skip


@pytest.mark.parametrize("where", ["read_error", "write_error"])
def test_a_part_is_postponed_while_storage_or_the_database_is_unavailable(where):
    scene = Scene(**{where: AWAY})
    with pytest.raises(RetryLaterError) as later:
        scene.run()
    assert later.value.seconds is None
    assert scene.calls == [("postpone_part", "unavailable")]
    assert scene.metrics.seen[-1] == "postponed"


def test_a_postponed_part_waits_for_the_time_in_retry_after():
    scene = Scene(read_error=TransientError("storage", "busy", retry_after=42))
    with pytest.raises(RetryLaterError) as later:
        scene.run()
    assert later.value.seconds == 42


def test_a_part_fails_after_too_many_retries():
    assert Scene(read_error=AWAY, retries=4).run() == [
        ("postpone_part", "unavailable"),
        ("fail_part", "upstream_unavailable",
         "Storage or the database was unavailable in each of 4 attempts."),
    ]  # fmt: skip
    with pytest.raises(RetryLaterError):
        Scene(read_error=AWAY, retries=3).run()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermanentError("storage", "Object not found", code="object_missing"), "object_missing"),
        (PermanentError("storage", "https://host/key", code="InvalidJWT"), "storage_refused"),
        (PermanentError("database", "column c of table t", code="42703"), "database_refused"),
    ],
)
def test_a_permanent_error_fails_the_part_and_shows_no_secrets(error, code):
    scene = Scene(write_error=error)
    ((name, failure, detail),) = scene.run()
    assert (name, failure) == ("fail_part", code)
    assert error.detail not in detail
    assert scene.metrics.seen[-1] == "failed"


@pytest.mark.parametrize(
    "error", [AWAY, PermanentError("database", "key revoked", code="PGRST301")]
)
@pytest.mark.parametrize("call", ["start_part", "finish_part"])
def test_the_message_is_retried_with_the_attempt_if_its_end_cannot_be_recorded(error, call):
    scene = Scene(error=error, failing={call})
    scene.repository.work = scene.repository.work if call == "finish_part" else None
    with pytest.raises(RetryLaterError) as later:
        scene.run()
    assert later.value.ended_attempt == scene.repository.attempts[0].id


def test_the_part_that_the_database_gives_is_imported_and_not_the_named_one():
    scene, message = Scene(), uuid4()
    with capture_logs(processors=[merge_contextvars]) as logs:
        scene.import_part(uuid4(), 99, message_id=message)
    assert scene.repository.message_id == message
    assert scene.repository.ended == [(IMPORT, 1)]
    assert {(line["job_id"], line["part"]) for line in logs} == {(job_id(IMPORT), 1)}


def test_ended_attempts_are_reported_with_the_next_start():
    ended = [uuid4(), uuid4()]
    scene = Scene()
    scene.run(ended_attempts=ended)
    assert scene.repository.ended_attempts == ended


def test_each_run_is_another_attempt():
    scene = Scene()
    scene.repository.work = None
    scene.run()
    scene.run()
    first, second = scene.repository.attempts
    assert (first.import_id, first.part) == (second.import_id, second.part) == (IMPORT, 1)
    assert first.id != second.id


def test_counts_that_do_not_add_up_fail_the_part():
    error = PermanentError("database", "violates check constraint", code="23514")
    scene = Scene(error=error, failing={"finish_part"})
    assert scene.run()[-1][:2] == ("fail_part", "count_mismatch")


@pytest.mark.parametrize(
    ("call", "cause"),
    [("fail_part", PermanentError("storage", "no", code="403")), ("postpone_part", AWAY)],
)
def test_the_message_is_retried_if_a_failure_cannot_be_recorded(call, cause):
    with pytest.raises(RetryLaterError):
        Scene(read_error=cause, error=AWAY, failing={call}).run()


def test_a_part_that_has_ended_meanwhile_is_not_finished():
    scene = Scene(error=InvalidTransitionError("it is failed"), failing={"finish_part"})
    assert scene.run() == [("finish_part", 20, 1)]
    assert "done" not in str(scene.metrics.seen)


def stopped_while_reading(**more):
    scene = Scene(**more)
    read = scene.storage.read

    def reading(name, start, end, *, size):
        for piece in read(name, start, end, size=size):
            yield piece
            scene.stopping.set()

    scene.storage.read = reading
    return scene


def test_a_stopping_worker_hands_its_part_back():
    scene = stopped_while_reading()
    with pytest.raises(WorkerStoppingError) as stopping:
        scene.run()
    assert scene.calls == [("postpone_part", "stopping")]
    assert stopping.value.ended_attempt is None
    assert scene.metrics.seen[-1] == "postponed"
    assert scene.storage.read_closed


def test_a_stopping_worker_names_the_attempt_if_its_end_cannot_be_recorded():
    scene = stopped_while_reading(error=AWAY, failing={"postpone_part"})
    with pytest.raises(WorkerStoppingError) as stopping:
        scene.run()
    assert stopping.value.ended_attempt == scene.repository.attempts[0].id


def test_a_stopping_worker_starts_no_part():
    scene = Scene()
    scene.stopping.set()
    with pytest.raises(WorkerStoppingError):
        scene.run()
    assert scene.repository.calls == []


def test_hand_back_all_hands_back_the_parts_of_hanging_threads():
    scene = Scene()
    write = scene.writer.write

    def hanging(batch):
        scene.import_part.hand_back_all()
        return write(batch)

    scene.writer.write = hanging
    scene.run()
    assert scene.calls[0] == ("postpone_part", "stopping")
    scene.import_part.hand_back_all()
    assert [call[0] for call in scene.calls].count("postpone_part") == len(scene.writer.batches)


@pytest.mark.parametrize("call", ["finish_part", "fail_part", "cancel_part"])
def test_a_stale_attempt_changes_nothing_and_does_not_count_as_a_crash(call):
    causes = {
        "fail_part": PermanentError("storage", "no"),
        "cancel_part": ImportCancelledError("x"),
    }
    scene = Scene(
        write_error=causes.get(call), error=StaleAttemptError("another has it"), failing={call}
    )
    with pytest.raises(RetryLaterError) as later:
        scene.run()
    assert scene.calls[-1] == ("postpone_part", "stopping")
    assert later.value.seconds == 5
    assert later.value.ended_attempt is None
    assert not {"done", "failed", "cancelled"} & set(map(str, scene.metrics.seen))


def test_an_unexpected_error_is_raised_and_nothing_is_recorded():
    scene = Scene(read_error=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        scene.run()
    assert scene.calls == []
    assert scene.metrics.seen[0] == "worked"


def test_the_object_is_closed_before_an_error_is_passed_on():
    """Otherwise the garbage collector would do it, perhaps while its thread holds httpx's lock."""
    scene = Scene(write_error=AWAY)
    with pytest.raises(RetryLaterError):
        scene.run()
    # AWAY keeps its traceback, and so all frames with their generators.
    assert AWAY.__traceback__
    assert scene.storage.read_closed
