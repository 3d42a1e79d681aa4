"""The moves of imports and parts, as the database makes and refuses them."""

import uuid
from typing import Any

import pytest

from core.ids import new_import_id
from core.messages import import_part_message
from tests.contract.repository_calls import PART, Repository, unprocessed


def a_message() -> dict[str, Any]:
    return unprocessed(import_part_message(new_import_id(), 1))


def failed(repository: Repository) -> uuid.UUID:
    """An import of which part 1 is done and part 2 failed with three contacts written."""
    made: uuid.UUID = repository.create()
    repository.begin(made, 1)
    repository.finish(made, 1)
    repository.begin(made, 2)
    repository.write(made, 2, ["a", "b", "c"])
    repository.fail(made, 2)
    return made


def test_what_a_failed_part_has_written_is_counted(repository):
    made = failed(repository)
    assert repository.state(made) == "failed"
    assert repository.counts(made) == (PART + 3, 0, PART - 3)


def test_a_retry_queues_the_failed_parts_and_no_others(repository):
    made = failed(repository)
    message = a_message()
    assert repository.on("retry_import", made, p_message=message)["state"] == "queued"
    assert repository.on("retry_import", made, p_message=message)["state"] == "queued"
    assert repository.on("start_import", made) == {
        "state": "importing", "generation": 1, "parts": [2],
    }  # fmt: skip
    repository.begin(made, 2)
    repository.write(made, 2, [*"abcdefghij"], imported=PART, rejected=0)
    assert (repository.state(made), repository.counts(made)) == ("completed", (2 * PART, 0, 0))
    assert repository.contacts(made) == PART  # part 1 wrote none in this test


@pytest.mark.parametrize("move", ["retry_import", "cancel_import"])
def test_what_is_completed_is_neither_retried_nor_cancelled(repository, move):
    made = repository.create(parts=1)
    repository.begin(made, 1)
    repository.finish(made, 1)
    more = {"p_message": a_message()} if move == "retry_import" else {}
    assert repository.on(move, made, **more) == "PT409"
    assert repository.state(made) == "completed"


def test_cancelling_ends_what_waits_and_lets_work_end_between_batches(repository):
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
    assert repository.write_rejection(made, 1, 3) == "CI001"
    repository.begin(made, 1)
    assert [repository.write_rejection(made, 1, record) for record in (3, 3, 4)] == [None] * 3
    repository.on("cancel_import", made)
    assert repository.write_rejection(made, 1, 5) == "CI002"
    repository.cancel(made, 1)
    assert repository.write_rejection(made, 1, 6) == "CI001"
    assert (repository.state(made), repository.counts(made)) == ("cancelled", (0, 2, 18))


def test_the_end_of_a_part_is_told_again_when_its_answer_was_lost(repository):
    made = repository.create(parts=1)
    repository.begin(made, 1)
    repository.on("cancel_import", made)
    first, again = (repository.cancel(made, 1) for _ in range(2))
    assert (first["moved"], first["closed"]) == (True, True)
    assert (again["moved"], again["closed"], again["state"]) == (False, False, "cancelled")


def test_a_part_that_is_whole_when_its_import_is_cancelled_is_done(repository):
    made = repository.create()
    repository.begin(made, 1)
    repository.on("cancel_import", made)
    assert repository.finish(made, 1)["state"] == "cancelled"
    assert repository.counts(made) == (PART, 0, PART)


def test_a_part_that_is_begun_again_while_its_import_is_cancelled_ends(repository):
    made = repository.create()
    repository.begin(made, 2)
    repository.on("cancel_import", made)
    assert repository.begin(made, 2)["cancelled"]["closed"]
    assert repository.state(made) == "cancelled"


def test_a_rejection_of_what_became_a_contact_is_not_counted(repository):
    made = repository.create()
    repository.begin(made, 1)
    repository.reject(made, 1, 1)
    repository.write(made, 1, ["a"])
    repository.on("cancel_import", made)
    repository.begin(made, 1)
    assert repository.counts(made) == (1, 0, 19)


def test_an_undo_removes_all_a_few_at_a_time(repository):
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


def test_an_undo_of_what_runs_cancels_it_first(repository):
    made = repository.create()
    repository.begin(made, 1)
    assert repository.on("undo_import", made, p_message=a_message())["state"] == "cancelling"
    assert not repository.on("undo_some", made, p_limit=2)
    repository.cancel(made, 1)
    assert repository.state(made) == "undoing"


def test_one_key_is_one_import(repository):
    key = {"idempotency_key": str(uuid.uuid4()), "fingerprint": "f"}
    made = repository.create(**key)
    again = repository.create(import_id=made, **key)
    assert again == made
    assert repository.create(**key) == {"id": str(made), "same": True}
    other = {**key, "fingerprint": "g"}
    assert repository.create(**other) == {"id": str(made), "same": False}
    assert repository.on("discard_import", made) is True


def test_a_key_that_only_another_body_asked_for_is_free_when_its_import_is_taken_back(repository):
    key = {"idempotency_key": str(uuid.uuid4()), "fingerprint": "f"}
    made = repository.create(**key)
    assert repository.create(**{**key, "fingerprint": "g"})["same"] is False
    assert repository.on("discard_import", made) is False
    assert isinstance(repository.create(**key), uuid.UUID)
    assert repository.call("join_import", p_key="nobody's", p_fingerprint="f") is None


@pytest.mark.parametrize(
    ("state", "counts"),
    [("done", (3, 6)), ("done", (-1, 11)), ("failed", (11, 0)), ("importing", (1, 0))],
)
def test_the_database_itself_keeps_account_of_all_records(repository, state, counts):
    made = repository.create()
    change = {
        "state": state, "imported": counts[0], "rejected": counts[1],
        "failure_code": "c" if state == "failed" else None,
    }  # fmt: skip
    where = {"import_id": f"eq.{made}", "part": "eq.1"}
    answer = repository.http.patch("/import_parts", params=where, json=change)
    assert answer.json()["code"] == "23514"


def test_a_list_is_newest_first_and_filtered(repository):
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
    assert listed(p_source="nobody") == []


@pytest.mark.parametrize("function", ["get_import", "cancel_import"])
def test_what_is_unknown_is_null(repository, function):
    assert repository.on(function, new_import_id()) is None


@pytest.mark.parametrize("function", ["retry_import", "undo_import"])
def test_a_move_of_what_is_unknown_queues_nothing(repository, function):
    assert repository.on(function, new_import_id(), p_message=a_message()) is None
