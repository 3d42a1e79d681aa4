"""Overlapping attempts at one part: only the last one changes the part, and there is no deadlock.

For races, both sides are real database sessions, held by a lock of a third session.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from core.queue_messages import import_part_message, undo_import_message
from tests.contract.repository_calls import PART, Repository, unprocessed

STALE = "CI003"
LOSE_START = """
    update import_parts
    set state = 'queued', attempt = null, open_attempts = '{}', message_id = null, started_at = null
    where import_id = %s
"""
WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and pid = any(%s)"


@pytest.fixture
def url(supabase_env: Mapping[str, str]) -> str:
    return supabase_env["DATABASE_URL"]


def two_attempts(repository: Repository) -> tuple[uuid.UUID, str, str]:
    """Create an import with a part that two attempts have started, one after the other."""
    made: uuid.UUID = repository.create(parts=1)
    repository.begin(made, 1)
    first = repository.attempt_of(made, 1)
    repository.begin(made, 1)
    return made, first, repository.attempt_of(made, 1)


@pytest.mark.parametrize("move", ["finish", "fail", "cancel"])
def test_a_stale_attempt_ends_nothing(repository, move):
    made, first, _ = two_attempts(repository)
    before = repository.part(made, 1)
    assert getattr(repository, move)(made, 1, attempt=first) == STALE
    assert repository.part(made, 1) == before


def test_a_stale_attempt_writes_nothing(repository):
    made, first, second = two_attempts(repository)
    assert repository.write(made, 1, ["late"], attempt=first) == STALE
    assert repository.write(made, 1, ["late"], attempt=first, imported=1, rejected=0) == STALE
    assert repository.write_rejection(made, 1, 2, attempt=first) == STALE
    assert (
        repository.send("write_apart", repository.text(made, 1, ["late"], attempt=first)) == STALE
    )
    assert repository.contacts(made) == 0
    assert repository.write(made, 1, ["in time"], attempt=second) is None
    assert repository.contacts(made) == 1


def test_an_attempt_whose_start_is_lost_writes_nothing_and_its_part_is_started_again(
    repository, url
):
    made = repository.create(parts=1)
    repository.begin(made, 1)
    with psycopg.connect(url) as session:
        session.execute(LOSE_START, [made])
    assert repository.write(made, 1, ["lost"]) == STALE
    assert repository.write(made, 1, ["lost"], imported=1, rejected=0) == STALE
    assert repository.send("write_apart", repository.text(made, 1, ["lost"])) == STALE
    assert repository.write_rejection(made, 1, 2) == STALE
    assert repository.finish(made, 1) == STALE
    assert repository.postpone(made, 1) is None
    assert repository.contacts(made) == 0
    assert not repository.begin(made, 1)["rerun"]
    assert repository.write(made, 1, ["kept"]) is None


@pytest.mark.parametrize(("cancelled", "waits"), [(False, "off"), (True, "on")])
def test_only_the_start_of_a_part_is_committed_without_waiting_for_the_disk(
    repository, url, cancelled, waits
):
    """A part that is cancelled or given up may end the import, which others may be told."""
    made = repository.create(parts=1)
    with psycopg.connect(url) as session:
        if cancelled:
            session.execute("update imports set state = 'cancelling' where id = %s", [made])
        session.execute("select start_part(%s, 1, gen_random_uuid(), 5)", [made])
        assert session.execute("show synchronous_commit").fetchone() == (waits,)


def test_a_stale_attempt_does_not_fail_a_part_that_was_retried(repository):
    made = repository.create(parts=1)
    repository.begin(made, 1)
    first = repository.attempt_of(made, 1)
    repository.fail(made, 1)
    repository.on("retry_import", made, p_message=unprocessed(import_part_message(made, 1)))
    assert repository.fail(made, 1, attempt=first) == STALE
    assert repository.state(made) == "queued"
    repository.begin(made, 1)
    assert repository.fail(made, 1, attempt=first) == STALE
    assert repository.state(made) == "importing"


def test_a_stale_attempt_does_not_postpone_the_part_of_another_attempt(repository):
    made, first, second = two_attempts(repository)
    assert repository.postpone(made, 1, attempt=first) is None
    part = repository.part(made, 1)
    assert (part["state"], part["attempt"], part["retries"]) == ("importing", second, 0)
    assert part["open_attempts"] == [second], "it has not died, so it does not count"


def test_an_attempt_may_repeat_each_of_its_transitions(repository):
    made = repository.create(parts=2)
    mine = str(uuid.uuid4())
    for _ in range(2):
        work = repository.move("start_part", made, 1, mine, p_max_attempts=5)
        assert work["source"] == "repository"
    assert repository.part(made, 1)["open_attempts"] == [mine]
    ends = [repository.finish(made, 1, attempt=mine) for _ in range(2)]
    assert [end["moved"] for end in ends] == [True, False]


def test_crashes_outages_and_stops_are_counted_apart(repository):
    made = repository.create(parts=1)
    repository.begin(made, 1)
    assert repository.postpone(made, 1, unavailable=True) == 1
    repository.begin(made, 1)
    assert repository.postpone(made, 1, unavailable=False) == 1
    repository.begin(made, 1)  # dies
    repository.begin(made, 1)
    assert repository.postpone(made, 1, unavailable=True) == 2
    part = repository.part(made, 1)
    counted = (len(part["open_attempts"]), part["retries"], part["stops"])
    assert (part["state"], counted) == ("queued", (1, 2, 1))


def test_ended_attempts_do_not_count_as_crashes(repository):
    made = repository.create(parts=1)
    ended = []
    for _ in range(7):
        assert repository.begin(made, 1, p_alone=False, p_ended=ended)["source"] == "repository"
        ended = [repository.attempt_of(made, 1)]
    assert repository.part(made, 1)["open_attempts"] == ended


def test_a_part_with_open_attempts_needs_an_exclusive_run_and_is_then_given_up(repository):
    made = repository.create(parts=1)
    for _ in range(2):
        assert "source" in repository.begin(made, 1, p_alone=False)
    for _ in range(3):
        assert "suspect" in repository.begin(made, 1, p_alone=False)
        assert "source" in repository.begin(made, 1, p_alone=True)
    assert repository.begin(made, 1, p_alone=True)["given_up"]["state"] == "failed"
    assert repository.shown(made)["failure"]["code"] == "attempts_exhausted"


def test_a_rejection_of_an_earlier_attempt_does_not_outlive_it(repository):
    """The database or an older worker has rejected the record, and then it is imported."""
    made = repository.create(parts=1)
    repository.begin(made, 1)
    repository.write_rejection(made, 1, 3)
    repository.add_object(made, 1, 5, 9)
    repository.postpone(made, 1)
    work = repository.begin(made, 1)
    assert work["rerun"]
    repository.write(made, 1, [*"abcdefghij"], imported=PART, rejected=0)
    assert (repository.state(made), repository.counts(made)) == ("completed", (PART, 0, 0))
    assert repository.http.get(f"/import_rejections?import_id=eq.{made}").json() == []
    assert repository.http.get(f"/import_rejection_objects?import_id=eq.{made}").json() == []


def test_a_contact_of_an_earlier_attempt_is_not_a_rejection_of_the_next(repository):
    made = repository.create(parts=1)
    repository.begin(made, 1)
    repository.write(made, 1, ["a", "b", "c"])
    repository.postpone(made, 1)
    repository.begin(made, 1)
    assert repository.on("contacts_among", made, p_records=[2, 3, 4]) == [2, 3]
    for record in (3, 4):
        repository.write_rejection(made, 1, record)
    repository.write(made, 1, ["a", "b", "", "", *"efghij"])
    end = repository.finish(made, 1, imported=PART - 2)
    assert end["moved"]
    assert repository.counts(made) == (PART - 1, 1, 0)
    assert repository.shown(made)["rejected_codes"] == {"c": 1}
    rows = repository.http.get(f"/import_rejections?import_id=eq.{made}").json()
    assert [row["record"] for row in rows] == [4]
    assert repository.contacts(made) == PART - 1


def test_rejections_are_counted_as_they_are_stored(repository):
    made = repository.create(parts=1)
    repository.begin(made, 1)
    repository.write_rejection(made, 1, 1)
    repository.add_object(made, 1, 2, 5)
    repository.write(made, 1, ["", "", "", "", *"efghij"])
    assert repository.finish(made, 1, imported=5) == "23514", "one is missing"
    repository.write(made, 1, [""] * 4 + [*"efghij"])
    assert repository.finish(made, 1, imported=6)["moved"]
    assert repository.counts(made) == (6, 4, 0)
    assert repository.shown(made)["rejected_codes"] == {"c": 1, "d": 3}


@contextmanager
def held(url: str, statement: str, *values: object) -> Iterator[Callable[[], None]]:
    """Hold a lock in a session of its own until it is released."""
    with psycopg.connect(url) as session:
        session.execute(statement, values)
        yield session.rollback


class Sessions:
    """Runs statements at the same time, each in a session of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = ThreadPoolExecutor(8)
        self._pids: list[int] = []
        self._lock = threading.Lock()

    def run(self, statement: str, *values: object) -> "Future[Any]":
        started = threading.Event()

        def work() -> Any:
            with psycopg.connect(self._url) as session:
                with self._lock:
                    self._pids.append(session.info.backend_pid)
                started.set()
                try:
                    return session.execute(statement, values).fetchone()[0]
                except psycopg.Error as error:
                    return error.sqlstate

        future = self._pool.submit(work)
        assert started.wait(30)
        return future

    def await_locks(self, count: int) -> None:
        """Until so many of them wait for a lock."""
        with psycopg.connect(self._url, autocommit=True) as session:
            deadline = time.monotonic() + 30
            while session.execute(WAITING, [self._pids]).fetchone() != (count,):
                assert time.monotonic() < deadline
                time.sleep(0.01)


@pytest.fixture
def sessions(url: str) -> Sessions:
    return Sessions(url)


IMPORT = "select from public.imports where id = %s for update"
WRITE = "select public.write_contacts(%s)"
CONTACTS = [*"abcdefghij"]


def test_concurrent_last_batches_do_not_deadlock(repository, url, sessions):
    """The last batch of a part is sent twice, because its first answer was lost."""
    made = repository.create(parts=1)
    repository.begin(made, 1)
    text = repository.text(made, 1, CONTACTS, finish={"imported": PART, "rejected": 0})
    with held(url, IMPORT, made) as let_go:
        both = [sessions.run(WRITE, text) for _ in range(2)]
        sessions.await_locks(2)
        let_go()
    ends = [future.result(30) for future in both]
    assert sorted(end["moved"] for end in ends) == [False, True]
    assert (repository.state(made), repository.contacts(made)) == ("completed", PART)


@pytest.mark.parametrize(
    ("function", "states"),
    [
        ("cancel_import(%s)", {"cancelled", "cancelling", "completed"}),
        ("undo_import(%s, %s)", {"cancelling", "undoing"}),
    ],
)
def test_last_batch_and_a_transition_of_the_import_do_not_deadlock(
    repository, url, sessions, function, states
):
    made = repository.create(parts=1)
    repository.begin(made, 1)
    text = repository.text(made, 1, CONTACTS, finish={"imported": PART, "rejected": 0})
    values = [made, Jsonb(unprocessed(undo_import_message(made)))][: function.count("%s")]
    with held(url, IMPORT, made) as let_go:
        move = sessions.run(f"select public.{function}", *values)
        sessions.await_locks(1)
        finisher = sessions.run(WRITE, text)
        sessions.await_locks(2)
        let_go()
    outcomes = [finisher.result(30), move.result(30)]
    assert "40P01" not in outcomes, "a deadlock"
    assert repository.state(made) in states


def test_last_batch_and_start_part_that_gives_up_do_not_deadlock(repository, url, sessions):
    made = repository.create(parts=1)
    repository.begin(made, 1)
    mine = repository.attempt_of(made, 1)
    text = repository.text(made, 1, CONTACTS, finish={"imported": PART, "rejected": 0})
    with held(url, IMPORT, made) as let_go:
        giver_up = sessions.run("select public.fail_part(%s, 1, %s, 'c', 'why')", made, mine)
        sessions.await_locks(1)
        finisher = sessions.run(WRITE, text)
        sessions.await_locks(2)
        let_go()
    outcomes = [finisher.result(30), giver_up.result(30)]
    assert "40P01" not in outcomes, "a deadlock"
    assert repository.state(made) in {"completed", "failed"}
    assert repository.counts(made) in {(PART, 0, 0), (0, 0, PART)}


def test_end_of_a_part_waits_for_a_running_batch_and_counts_it(repository, url, sessions):
    """The batch locks its part; the end of the part waits for it, and counts its contacts."""
    made = repository.create(parts=1)
    repository.begin(made, 1)
    attempt = repository.attempt_of(made, 1)
    with psycopg.connect(url) as writing:
        writing.execute(WRITE, [repository.text(made, 1, CONTACTS[:4])])
        failing = sessions.run("select public.fail_part(%s, 1, %s, 'c', 'why')", made, attempt)
        sessions.await_locks(1)
        writing.commit()
    assert failing.result(30)["moved"]
    assert repository.counts(made) == (4, 0, PART - 4)


def test_start_part_waits_for_a_running_batch_of_the_attempt_before(repository, url, sessions):
    """So the new attempt knows what the former one has written."""
    made = repository.create(parts=1)
    repository.begin(made, 1)
    with psycopg.connect(url) as writing:
        writing.execute(WRITE, [repository.text(made, 1, CONTACTS[:4])])
        taking = sessions.run("select public.start_part(%s, 1, %s, 5)", made, uuid.uuid4())
        sessions.await_locks(1)
        writing.commit()
    assert taking.result(30)["rerun"]
    assert repository.write(made, 1, CONTACTS) == STALE
    assert repository.on("contacts_among", made, p_records=list(range(1, 11))) == [1, 2, 3, 4]


def test_write_apart_returns_the_rejected_rows_in_one_request(repository, url):
    made = repository.create(parts=1)
    repository.begin(made, 1)
    too_long = "x" * 3000
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(
            "alter table public.contacts add constraint short check (length(name) < 2000) not valid"
        )
        try:
            names = ["a", too_long, "c", too_long, "e"]
            text = repository.text(made, 1, names, row_errors=["22", "23"])
            result = repository.send("write_apart", text)
            other = repository.text(made, 1, [too_long], row_errors=["22"])
            assert repository.send("write_apart", other) == "23514"
        finally:
            session.execute("alter table public.contacts drop constraint short")
    assert (result["records"], result["codes"]) == ([2, 4], ["23514", "23514"])
    assert "short" in result["reasons"]["23514"]
    assert repository.contacts(made) == 3
