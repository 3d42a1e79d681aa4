"""The transitions of imports and parts: which of them the database makes, and which it refuses."""

import uuid
from typing import Any

import pytest

from core.ids import new_import_id
from core.queue_messages import import_part_message
from tests.contract.repository_calls import PART, Repository, unprocessed


def a_message() -> dict[str, Any]:
    return unprocessed(import_part_message(new_import_id(), 1))


def failed(repository: Repository) -> uuid.UUID:
    """Create an import whose part 1 is done and whose part 2 has failed after three contacts."""
    made: uuid.UUID = repository.create()
    repository.begin(made, 1)
    repository.finish(made, 1)
    repository.begin(made, 2)
    repository.write(made, 2, ["a", "b", "c"])
    repository.fail(made, 2)
    return made


def test_fail_part_counts_what_was_written(repository):
    made = failed(repository)
    assert repository.state(made) == "failed"
    assert repository.counts(made) == (PART + 3, 0, PART - 3)


def test_retry_import_queues_only_the_failed_parts(repository):
    made = failed(repository)
    message = a_message()
    assert repository.on("retry_import", made, p_message=message)["state"] == "queued"
    assert repository.on("retry_import", made, p_message=message)["state"] == "queued"
    assert repository.on("start_import", made) == {
        "state": "importing", "generation": 1, "small": False, "parts": [2],
    }  # fmt: skip
    repository.begin(made, 2)
    repository.write(made, 2, [*"abcdefghij"], imported=PART, rejected=0)
    assert (repository.state(made), repository.counts(made)) == ("completed", (2 * PART, 0, 0))
    assert repository.contacts(made) == PART  # part 1 wrote none in this test


@pytest.mark.parametrize("move", ["retry_import", "cancel_import"])
def test_completed_import_cannot_be_retried_or_cancelled(repository, move):
    made = repository.create(parts=1)
    repository.begin(made, 1)
    repository.finish(made, 1)
    more = {"p_message": a_message()} if move == "retry_import" else {}
    assert repository.on(move, made, **more) == "PT409"
    assert repository.state(made) == "completed"


def test_cancel_import_cancels_queued_parts_at_once_and_running_parts_between_batches(repository):
    made = repository.create(parts=3)
    repository.begin(made, 1)
    repository.write(made, 1, ["a", "b"])
    repository.reject(made, 1, 3)
    assert repository.on("cancel_import", made)["state"] == "cancelling"
    assert repository.on("cancel_import", made)["state"] == "cancelling"
    assert repository.begin(made, 2) is None
    assert repository.write(made, 1, ["x"]) == "CI002"
    assert repository.cancel(made, 1)["closed"]
    assert (repository.state(made), repository.counts(made)) == ("cancelled", (2, 1, 27))
    assert repository.write(made, 1, ["x"]) == "CI001"
    assert repository.contacts(made) == 2
    assert repository.finish(made, 1) == "PT409"


def test_rejections_are_written_only_while_their_part_is_imported(repository):
    made = repository.create()
    assert repository.write_rejection(made, 1, 3) == "CI003"
    repository.begin(made, 1)
    assert [repository.write_rejection(made, 1, record) for record in (3, 3, 4)] == [None] * 3
    repository.on("cancel_import", made)
    assert repository.write_rejection(made, 1, 5) == "CI002"
    repository.cancel(made, 1)
    assert repository.write_rejection(made, 1, 6) == "CI001"
    assert (repository.state(made), repository.counts(made)) == ("cancelled", (0, 2, 18))


def test_cancel_part_that_is_repeated_returns_the_same_end(repository):
    made = repository.create(parts=1)
    repository.begin(made, 1)
    repository.on("cancel_import", made)
    first, again = (repository.cancel(made, 1) for _ in range(2))
    assert (first["moved"], first["closed"]) == (True, True)
    assert (again["moved"], again["closed"], again["state"]) == (False, False, "cancelled")


def test_finish_part_of_an_import_that_is_being_cancelled_is_done(repository):
    made = repository.create()
    repository.begin(made, 1)
    repository.on("cancel_import", made)
    assert repository.finish(made, 1)["state"] == "cancelled"
    assert repository.counts(made) == (PART, 0, PART)


def test_start_part_of_an_import_that_is_being_cancelled_cancels_the_part(repository):
    made = repository.create()
    repository.begin(made, 2)
    repository.on("cancel_import", made)
    assert repository.begin(made, 2)["cancelled"]["closed"]
    assert repository.state(made) == "cancelled"


def test_finish_part_does_not_count_rejections_of_contacts(repository):
    made = repository.create()
    repository.begin(made, 1)
    repository.reject(made, 1, 1)
    repository.write(made, 1, ["a"])
    repository.on("cancel_import", made)
    repository.begin(made, 1)
    assert repository.counts(made) == (1, 0, 19)


def test_undo_some_removes_everything_in_steps(repository):
    made, other = failed(repository), failed(repository)
    repository.reject(made, 2, 14)
    message = a_message()
    assert repository.on("undo_import", made, p_message=message)["state"] == "undoing"
    assert repository.on("finish_undo", made) is None
    assert repository.state(made) == "undoing"
    steps = 0
    while repository.on("undo_some", made, p_limit=2):
        steps += 1
    assert steps == 1 + 2
    repository.on("finish_undo", made)
    assert (repository.state(made), repository.counts(made)) == ("undone", (0, 0, 2 * PART))
    assert (repository.contacts(made), repository.contacts(other)) == (0, 3)
    assert repository.http.get(f"/import_rejections?import_id=eq.{made}").json() == []
    assert repository.on("undo_import", made, p_message=a_message())["state"] == "undone"
    assert repository.write(made, 2, ["late"]) == "CI001"


def test_undo_import_of_a_running_import_cancels_it_first(repository):
    made = repository.create()
    repository.begin(made, 1)
    assert repository.on("undo_import", made, p_message=a_message())["state"] == "cancelling"
    assert not repository.on("undo_some", made, p_limit=2)
    repository.cancel(made, 1)
    assert repository.state(made) == "undoing"


def by(repository: Repository, made: uuid.UUID) -> tuple[str | None, str | None, str | None]:
    shown = repository.shown(made)
    return shown["created_by"], shown["cancelled_by"], shown["undone_by"]


def test_an_import_keeps_who_made_cancelled_and_undid_it_first(repository):
    made = repository.create(created_by="a")
    assert by(repository, made) == ("a", None, None)
    repository.begin(made, 1)
    for name in ("b", "c"):
        repository.on("cancel_import", made, p_by=name)
    assert by(repository, made) == ("a", "b", None)
    repository.cancel(made, 1)
    for name in ("d", "e"):
        repository.on("undo_import", made, p_message=a_message(), p_by=name)
    assert by(repository, made) == ("a", "b", "d")
    repository.on("fail_undo", made, p_code="c", p_detail="d")
    repository.on("undo_import", made, p_message=a_message(), p_by="f")
    assert by(repository, made) == ("a", "b", "f")


def test_an_import_that_is_undone_while_it_runs_was_cancelled_by_nobody(repository):
    made = repository.create()
    repository.begin(made, 1)
    repository.on("undo_import", made, p_message=a_message(), p_by="a")
    assert by(repository, made) == (None, None, "a")


def test_callers_of_the_former_version_name_nobody(repository):
    made = repository.create()
    assert repository.on("cancel_import", made)["state"] == "cancelled"
    assert repository.on("undo_import", made, p_message=a_message())["state"] == "undoing"
    assert by(repository, made) == (None, None, None)


def test_create_import_with_a_used_key_returns_the_other_import(repository):
    key = {"idempotency_key": str(uuid.uuid4()), "fingerprint": "f"}
    made = repository.create(**key)
    again = repository.create(import_id=made, **key)
    assert again == made
    assert repository.create(**key) == {"id": str(made), "same": True}
    other = {**key, "fingerprint": "g"}
    assert repository.create(**other) == {"id": str(made), "same": False}
    assert repository.on("discard_import", made) is True


def test_discard_import_frees_a_key_that_only_a_different_request_used(repository):
    key = {"idempotency_key": str(uuid.uuid4()), "fingerprint": "f"}
    made = repository.create(**key)
    assert repository.create(**{**key, "fingerprint": "g"})["same"] is False
    assert repository.on("discard_import", made) is False
    assert isinstance(repository.create(**key), uuid.UUID)
    assert repository.call("join_import", p_key="unknown", p_fingerprint="f") is None


@pytest.mark.parametrize(
    ("state", "counts"),
    [("done", (3, 6)), ("done", (-1, 11)), ("failed", (11, 0)), ("importing", (1, 0))],
)
def test_constraint_accounts_for_every_record_of_a_part(repository, state, counts):
    made = repository.create()
    change = {
        "state": state, "imported": counts[0], "rejected": counts[1],
        "failure_code": "c" if state == "failed" else None,
    }  # fmt: skip
    where = {"import_id": f"eq.{made}", "part": "eq.1"}
    answer = repository.http.patch("/import_parts", params=where, json=change)
    assert answer.json()["code"] == "23514"


def test_list_imports_is_newest_first_and_filtered(repository):
    source = f"list {uuid.uuid4()}"
    made = [repository.create(source=source) for _ in range(3)]
    repository.on("cancel_import", made[1])

    def listed(**filters: Any) -> list[str]:
        defaults = {"p_state": None, "p_source": source, "p_before": None, "p_limit": 10}
        return [one["id"] for one in repository.call("list_imports", **(defaults | filters))]

    newest_first = [str(one) for one in sorted(made, reverse=True)]
    assert listed() == newest_first
    assert listed(p_limit=2) == newest_first[:2]
    assert listed(p_before=newest_first[0]) == newest_first[1:]
    assert listed(p_state="cancelled") == [str(made[1])]
    assert listed(p_source="unknown") == []


@pytest.mark.parametrize("function", ["get_import", "cancel_import"])
def test_functions_return_null_for_an_unknown_import(repository, function):
    assert repository.on(function, new_import_id()) is None


@pytest.mark.parametrize("function", ["retry_import", "undo_import"])
def test_retry_and_undo_of_an_unknown_import_queue_nothing(repository, function):
    assert repository.on(function, new_import_id(), p_message=a_message()) is None
