"""The moves of imports and parts, as the database makes and refuses them."""

import uuid
from typing import Any

import pytest

from config.ids import new_import_id
from config.messages import import_part_message
from tests.contract.moves import PART, Ledger, never


def a_message() -> dict[str, Any]:
    return never(import_part_message(new_import_id(), 1))


def failed(ledger: Ledger) -> uuid.UUID:
    """An import of which part 1 is done and part 2 failed with three contacts written."""
    made: uuid.UUID = ledger.create()
    ledger.begin(made, 1)
    ledger.finish(made, 1)
    ledger.begin(made, 2)
    ledger.write(made, 2, ["a", "b", "c"])
    ledger.fail(made, 2)
    return made


def test_what_a_failed_part_has_written_is_counted(ledger):
    made = failed(ledger)
    assert ledger.state(made) == "failed"
    assert ledger.counts(made) == (PART + 3, 0, PART - 3)


def test_a_retry_queues_the_failed_parts_and_no_others(ledger):
    made = failed(ledger)
    message = a_message()
    assert ledger.on("retry_import", made, p_message=message)["state"] == "queued"
    assert ledger.on("retry_import", made, p_message=message)["state"] == "queued"
    assert ledger.on("start_import", made) == {
        "state": "importing", "generation": 1, "parts": [2],
    }  # fmt: skip
    ledger.begin(made, 2)
    ledger.write(made, 2, [*"abcdefghij"], imported=PART, rejected=0)
    assert (ledger.state(made), ledger.counts(made)) == ("completed", (2 * PART, 0, 0))
    assert ledger.contacts(made) == PART  # part 1 wrote none in this test


@pytest.mark.parametrize("move", ["retry_import", "cancel_import"])
def test_what_is_completed_is_neither_retried_nor_cancelled(ledger, move):
    made = ledger.create(parts=1)
    ledger.begin(made, 1)
    ledger.finish(made, 1)
    more = {"p_message": a_message()} if move == "retry_import" else {}
    assert ledger.on(move, made, **more) == "PT409"
    assert ledger.state(made) == "completed"


def test_cancelling_ends_what_waits_and_lets_work_end_between_batches(ledger):
    made = ledger.create(parts=3)
    ledger.begin(made, 1)
    ledger.write(made, 1, ["a", "b"])
    ledger.reject(made, 1, 3)
    assert ledger.on("cancel_import", made)["state"] == "cancelling"
    assert ledger.on("cancel_import", made)["state"] == "cancelling"
    assert ledger.begin(made, 2) is None
    assert ledger.write(made, 1, ["x"]) == "CI002"
    assert ledger.cancel(made, 1)["closed"]
    assert (ledger.state(made), ledger.counts(made)) == ("cancelled", (2, 1, 27))
    assert ledger.write(made, 1, ["x"]) == "CI001"
    assert ledger.contacts(made) == 2
    assert ledger.finish(made, 1) == "PT409"


def test_rejections_are_written_only_while_their_part_is_imported(ledger):
    made = ledger.create()
    assert ledger.write_rejection(made, 1, 3) == "CI001"
    ledger.begin(made, 1)
    assert [ledger.write_rejection(made, 1, record) for record in (3, 3, 4)] == [None] * 3
    ledger.on("cancel_import", made)
    assert ledger.write_rejection(made, 1, 5) == "CI002"
    ledger.cancel(made, 1)
    assert ledger.write_rejection(made, 1, 6) == "CI001"
    assert (ledger.state(made), ledger.counts(made)) == ("cancelled", (0, 2, 18))


def test_the_end_of_a_part_is_told_again_when_its_answer_was_lost(ledger):
    made = ledger.create(parts=1)
    ledger.begin(made, 1)
    ledger.on("cancel_import", made)
    first, again = (ledger.cancel(made, 1) for _ in range(2))
    assert (first["moved"], first["closed"]) == (True, True)
    assert (again["moved"], again["closed"], again["state"]) == (False, False, "cancelled")


def test_a_part_that_is_whole_when_its_import_is_cancelled_is_done(ledger):
    made = ledger.create()
    ledger.begin(made, 1)
    ledger.on("cancel_import", made)
    assert ledger.finish(made, 1)["state"] == "cancelled"
    assert ledger.counts(made) == (PART, 0, PART)


def test_a_part_that_is_begun_again_while_its_import_is_cancelled_ends(ledger):
    made = ledger.create()
    ledger.begin(made, 2)
    ledger.on("cancel_import", made)
    assert ledger.begin(made, 2)["cancelled"]["closed"]
    assert ledger.state(made) == "cancelled"


def test_a_rejection_of_what_became_a_contact_is_not_counted(ledger):
    made = ledger.create()
    ledger.begin(made, 1)
    ledger.reject(made, 1, 1)
    ledger.write(made, 1, ["a"])
    ledger.on("cancel_import", made)
    ledger.begin(made, 1)
    assert ledger.counts(made) == (1, 0, 19)


def test_an_undo_removes_all_a_few_at_a_time(ledger):
    made, other = failed(ledger), failed(ledger)
    ledger.reject(made, 2, 14)
    message = a_message()
    assert ledger.on("undo_import", made, p_message=message)["state"] == "undoing"
    assert ledger.on("finish_undo", made) is None
    assert ledger.state(made) == "undoing"
    steps = 0
    while ledger.on("undo_some", made, p_limit=2):
        steps += 1
    assert steps == 1 + 2
    ledger.on("finish_undo", made)
    assert (ledger.state(made), ledger.counts(made)) == ("undone", (0, 0, 2 * PART))
    assert (ledger.contacts(made), ledger.contacts(other)) == (0, 3)
    assert ledger.http.get(f"/import_rejections?import_id=eq.{made}").json() == []
    assert ledger.on("undo_import", made, p_message=a_message())["state"] == "undone"
    assert ledger.write(made, 2, ["late"]) == "CI001"


def test_an_undo_of_what_runs_cancels_it_first(ledger):
    made = ledger.create()
    ledger.begin(made, 1)
    assert ledger.on("undo_import", made, p_message=a_message())["state"] == "cancelling"
    assert not ledger.on("undo_some", made, p_limit=2)
    ledger.cancel(made, 1)
    assert ledger.state(made) == "undoing"


def test_one_key_is_one_import(ledger):
    key = {"idempotency_key": str(uuid.uuid4()), "fingerprint": "f"}
    made = ledger.create(**key)
    again = ledger.create(import_id=made, **key)
    assert again == made
    assert ledger.create(**key) == {"id": str(made), "same": True}
    other = {**key, "fingerprint": "g"}
    assert ledger.create(**other) == {"id": str(made), "same": False}
    assert ledger.on("discard_import", made) is True


def test_a_key_that_only_another_body_asked_for_is_free_when_its_import_is_taken_back(ledger):
    key = {"idempotency_key": str(uuid.uuid4()), "fingerprint": "f"}
    made = ledger.create(**key)
    assert ledger.create(**{**key, "fingerprint": "g"})["same"] is False
    assert ledger.on("discard_import", made) is False
    assert isinstance(ledger.create(**key), uuid.UUID)
    assert ledger.call("join_import", p_key="nobody's", p_fingerprint="f") is None


@pytest.mark.parametrize(
    ("state", "counts"),
    [("done", (3, 6)), ("done", (-1, 11)), ("failed", (11, 0)), ("importing", (1, 0))],
)
def test_the_database_itself_keeps_account_of_all_records(ledger, state, counts):
    made = ledger.create()
    change = {
        "state": state, "imported": counts[0], "rejected": counts[1],
        "failure_code": "c" if state == "failed" else None,
    }  # fmt: skip
    where = {"import_id": f"eq.{made}", "part": "eq.1"}
    answer = ledger.http.patch("/import_parts", params=where, json=change)
    assert answer.json()["code"] == "23514"


def test_a_list_is_newest_first_and_filtered(ledger):
    source = f"list {uuid.uuid4()}"
    made = [ledger.create(source=source) for _ in range(3)]
    ledger.on("cancel_import", made[1])

    def listed(**filters: Any) -> list[str]:
        defaults = {"p_state": None, "p_source": source, "p_before": None, "p_limit": 10}
        return [one["id"] for one in ledger.call("list_imports", **(defaults | filters))]

    newest_first = [str(one) for one in sorted(made, reverse=True)]
    assert listed() == newest_first
    assert listed(p_limit=2) == newest_first[:2]
    assert listed(p_before=newest_first[0]) == newest_first[1:]
    assert listed(p_state="cancelled") == [str(made[1])]
    assert listed(p_source="nobody") == []


@pytest.mark.parametrize("function", ["get_import", "cancel_import"])
def test_what_is_unknown_is_null(ledger, function):
    assert ledger.on(function, new_import_id()) is None


@pytest.mark.parametrize("function", ["retry_import", "undo_import"])
def test_a_move_of_what_is_unknown_queues_nothing(ledger, function):
    assert ledger.on(function, new_import_id(), p_message=a_message()) is None
