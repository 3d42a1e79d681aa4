import json
import threading
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from core.errors import InvalidTransitionError, PermanentError, TransientError
from core.states import ImportState
from tasks.errors import (
    ImportCancelledError,
    RetryLaterError,
    StaleAttemptError,
    WorkerStoppingError,
)
from tasks.importing.import_part import ImportPart
from tasks.repository import GivenUp, PartEnd, Stopped
from tests.unit.tasks.fakes import (
    IMPORT,
    FakeDesk,
    FakeMetrics,
    FakeObjects,
    FakeReader,
    FakeRepository,
    work_on,
)

DATA = json.dumps([{"name": f"P{n}"} for n in range(20)] + [17])[1:-1].encode()
AWAY = TransientError("database", "cannot be reached at 10.0.0.7", code="unreachable")


class Scene:
    """One part with 21 records, its repository, and what goes wrong."""

    def __init__(self, *, records=21, read_error=None, write_error=None, **repository):
        self.repository = FakeRepository(work_on(DATA, records=records), **repository)
        self.metrics = FakeMetrics()
        self.writer = FakeDesk(5, error=write_error, repository=self.repository)
        self.reader = FakeReader(DATA, error=read_error)
        self.stopping = threading.Event()
        self.story = ImportPart(
            self.repository,
            self.reader,
            FakeObjects(),
            lambda _: self.writer,
            self.metrics,
            max_retries=3,
            stopping=self.stopping,
        )

    def tell(self, **more):
        self.story(IMPORT, 1, **more)
        return self.calls

    @property
    def calls(self):
        return self.repository.calls[1:]


def test_a_part_is_imported_and_its_counts_recorded():
    scene = Scene()
    assert scene.tell() == [("finish_part", 20, 1)]
    assert len(scene.writer.stored) == 20
    assert len(scene.writer.rejections) == 1
    assert scene.metrics.seen == ["worked", ("read", 21), ("done", 20, {"not_an_object": 1})]


def test_telling_it_twice_changes_nothing():
    scene = Scene()
    scene.tell()
    stored = dict(scene.writer.stored)
    scene.tell()
    assert scene.writer.stored == stored
    assert [call for call in scene.repository.calls if call[0] == "finish_part"] == [
        ("finish_part", 20, 1), ("finish_part", 20, 1),
    ]  # fmt: skip


def test_a_part_that_has_ended_is_left_alone():
    scene = Scene()
    scene.repository.work = None
    assert scene.tell() == []
    assert scene.metrics.seen == []


def test_a_part_that_is_given_up_is_counted_and_closes_its_import():
    scene = Scene()
    scene.repository.work = GivenUp(PartEnd(True, ImportState.FAILED, True, 1.5))
    with capture_logs() as logs:
        assert scene.tell() == []
    assert scene.metrics.seen == ["failed"]
    assert [line["event"].split(":")[0] for line in logs] == ["part given up", "import closed"]


def test_a_part_of_an_import_that_is_being_cancelled_is_not_begun():
    scene = Scene()
    scene.repository.work = Stopped(PartEnd(True, ImportState.CANCELLED, True, 1.5))
    with capture_logs() as logs:
        assert scene.tell() == []
    assert scene.metrics.seen == ["cancelled"]
    assert [line["event"].split(":")[0] for line in logs] == ["part stopped", "import closed"]


def test_a_part_ends_between_batches_when_its_import_is_cancelled():
    scene = Scene(write_error=ImportCancelledError("it is being cancelled"))
    assert scene.tell() == [("cancel_part",)]
    assert scene.metrics.seen[-1] == "cancelled"
    assert scene.writer.opened == 0


@pytest.mark.parametrize(
    "error", [AWAY, PermanentError("database", "key revoked", code="PGRST301")]
)
def test_a_cancellation_that_cannot_be_told_comes_again(error):
    with pytest.raises(RetryLaterError):
        Scene(write_error=ImportCancelledError("x"), error=error, failing={"cancel_part"}).tell()


def test_a_part_that_another_has_ended_is_not_cancelled():
    scene = Scene(
        write_error=ImportCancelledError("x"),
        error=InvalidTransitionError("it is done"),
        failing={"cancel_part"},
    )
    assert scene.tell() == [("cancel_part",)]
    assert "cancelled" not in scene.metrics.seen


def test_a_part_that_came_to_no_end_before_is_imported_alone():
    scene = Scene()
    scene.repository.suspect = True
    scene.tell()
    assert scene.repository.calls == [
        ("start_part", IMPORT, 1, False), ("start_part", IMPORT, 1, True), ("finish_part", 20, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("records", [20, 22])
def test_another_number_of_records_than_accepted_is_a_failure(records):
    (call,) = Scene(records=records).tell()
    assert call == (
        "fail_part", "count_mismatch", f"The part holds 21 records; {records} were accepted.",
    )  # fmt: skip


@pytest.mark.parametrize("where", ["read_error", "write_error"])
def test_a_part_is_put_off_while_something_is_away(where):
    scene = Scene(**{where: AWAY})
    with pytest.raises(RetryLaterError) as put_off:
        scene.tell()
    assert put_off.value.seconds is None
    assert scene.calls == [("postpone_part", "away")]
    assert scene.metrics.seen[-1] == "postponed"


def test_retry_after_is_honoured():
    scene = Scene(read_error=TransientError("storage", "busy", retry_after=42))
    with pytest.raises(RetryLaterError) as put_off:
        scene.tell()
    assert put_off.value.seconds == 42


def test_a_part_is_given_up_after_so_many_retries():
    assert Scene(read_error=AWAY, retries=4).tell() == [
        ("postpone_part", "away"),
        ("fail_part", "upstream_unavailable",
         "Storage or the database was away in each of 4 tries."),
    ]  # fmt: skip
    with pytest.raises(RetryLaterError):
        Scene(read_error=AWAY, retries=3).tell()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermanentError("storage", "Object not found", code="object_missing"), "object_missing"),
        (PermanentError("storage", "https://host/key", code="InvalidJWT"), "storage_refused"),
        (PermanentError("database", "column c of table t", code="42703"), "database_refused"),
    ],
)
def test_a_permanent_error_fails_the_part_and_tells_no_secrets(error, code):
    scene = Scene(write_error=error)
    ((name, failure, detail),) = scene.tell()
    assert (name, failure) == ("fail_part", code)
    assert error.detail not in detail
    assert scene.metrics.seen[-1] == "failed"


@pytest.mark.parametrize(
    "error", [AWAY, PermanentError("database", "key revoked", code="PGRST301")]
)
@pytest.mark.parametrize("call", ["start_part", "finish_part"])
def test_without_the_ledger_the_message_comes_again_and_names_the_attempt(error, call):
    scene = Scene(error=error, failing={call})
    scene.repository.work = scene.repository.work if call == "finish_part" else None
    with pytest.raises(RetryLaterError) as put_off:
        scene.tell()
    expected = scene.repository.work.attempt if call == "finish_part" else scene.repository.begun[0]
    assert put_off.value.ended == expected.id


def test_attempts_that_ended_in_order_are_reported_with_the_next():
    ended = [uuid4(), uuid4()]
    scene = Scene()
    scene.tell(ended=ended)
    assert scene.repository.ended == ended


def test_each_run_is_another_attempt():
    scene = Scene()
    scene.repository.work = None
    scene.tell()
    scene.tell()
    first, second = scene.repository.begun
    assert (first.import_id, first.part) == (second.import_id, second.part) == (IMPORT, 1)
    assert first.id != second.id


def test_counts_that_do_not_add_up_fail_the_part():
    error = PermanentError("database", "violates check constraint", code="23514")
    scene = Scene(error=error, failing={"finish_part"})
    assert scene.tell()[-1][:2] == ("fail_part", "count_mismatch")


@pytest.mark.parametrize(
    ("call", "trouble"),
    [("fail_part", PermanentError("storage", "no", code="403")), ("postpone_part", AWAY)],
)
def test_without_the_ledger_not_even_a_failure_is_lost(call, trouble):
    with pytest.raises(RetryLaterError):
        Scene(read_error=trouble, error=AWAY, failing={call}).tell()


def test_an_illegal_move_is_the_end_of_it():
    scene = Scene(error=InvalidTransitionError("it is failed"), failing={"finish_part"})
    assert scene.tell() == [("finish_part", 20, 1)]
    assert "done" not in str(scene.metrics.seen)


def stopped_while_reading(**more):
    scene = Scene(**more)
    read = scene.reader.read

    def reading(name, start, end):
        for piece in read(name, start, end):
            yield piece
            scene.stopping.set()

    scene.reader.read = reading
    return scene


def test_a_stopping_worker_hands_its_part_back():
    scene = stopped_while_reading()
    with pytest.raises(WorkerStoppingError) as stopping:
        scene.tell()
    assert scene.calls == [("postpone_part", "stopped")]
    assert stopping.value.ended is None
    assert scene.metrics.seen[-1] == "postponed"
    assert scene.reader.closed


def test_a_stopping_worker_stops_even_if_the_ledger_is_away_and_the_message_says_so():
    scene = stopped_while_reading(error=AWAY, failing={"postpone_part"})
    with pytest.raises(WorkerStoppingError) as stopping:
        scene.tell()
    assert stopping.value.ended == scene.repository.work.attempt.id


def test_a_stopping_worker_begins_nothing():
    scene = Scene()
    scene.stopping.set()
    with pytest.raises(WorkerStoppingError):
        scene.tell()
    assert scene.repository.calls == []


def test_what_a_thread_cannot_end_is_handed_back_by_another():
    scene = Scene()
    write = scene.writer.write

    def hanging(batch):
        scene.story.hand_back_rest()
        return write(batch)

    scene.writer.write = hanging
    scene.tell()
    assert scene.calls[0] == ("postpone_part", "stopped")
    scene.story.hand_back_rest()
    assert [call[0] for call in scene.calls].count("postpone_part") == len(scene.writer.batches)


@pytest.mark.parametrize("call", ["finish_part", "fail_part", "cancel_part"])
def test_an_attempt_that_another_has_replaced_changes_nothing_and_has_not_died(call):
    troubles = {
        "fail_part": PermanentError("storage", "no"),
        "cancel_part": ImportCancelledError("x"),
    }
    scene = Scene(
        write_error=troubles.get(call), error=StaleAttemptError("another has it"), failing={call}
    )
    with pytest.raises(RetryLaterError) as put_off:
        scene.tell()
    assert scene.calls[-1] == ("postpone_part", "stopped")
    assert put_off.value.seconds == 5
    assert put_off.value.ended is None
    assert not {"done", "failed", "cancelled"} & set(map(str, scene.metrics.seen))


def test_a_bug_costs_an_attempt_but_never_the_message():
    scene = Scene(read_error=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        scene.tell()
    assert scene.calls == []
    assert scene.metrics.seen[0] == "worked"


def test_the_object_is_let_go_of_before_the_error_goes_on():
    """Else the garbage collector would do it, perhaps while its thread holds httpx's lock."""
    scene = Scene(write_error=AWAY)
    with pytest.raises(RetryLaterError):
        scene.tell()
    # AWAY keeps its traceback, and so all frames with their generators.
    assert AWAY.__traceback__
    assert scene.reader.closed
