"""Contact ids that are dated ahead: everything that finds an import's contacts finds these."""

import random
import uuid

import pytest

from core.ids import contact_id_prefix, new_import_id
from core.queue_messages import undo_import_message
from tests.contract.repository_calls import PART, unprocessed

AHEAD = 600
NOT_AVAILABLE, DUPLICATE = "55P03", "23505"
AHEADS = (0, 1, 59, AHEAD, 86_400, 2**31 - 1)


def test_the_database_and_python_compute_the_same_prefix(repository):
    rng = random.Random(1)
    ids = [new_import_id(), *(uuid.UUID(int=rng.getrandbits(120)) for _ in range(20))]
    for import_id in ids:
        for ahead in AHEADS:
            prefix = repository.call("contact_prefix", p_import=str(import_id), p_ahead=ahead)
            assert prefix == contact_id_prefix(import_id, ahead), (import_id, ahead)


@pytest.mark.parametrize("ahead", [0, AHEAD])
def test_the_start_of_a_part_names_the_prefix_of_its_contacts(repository, ahead):
    made = repository.create(parts=1, contacts_ahead=ahead)
    assert repository.begin(made, 1)["contact_prefix"] == contact_id_prefix(made, ahead)


def test_a_worker_that_computes_the_prefix_itself_cannot_start_what_is_dated_ahead(repository):
    made = repository.create(parts=1, contacts_ahead=AHEAD)
    assert repository.begin(made, 1, p_takes_prefix=False) == NOT_AVAILABLE
    part = repository.part(made, 1)
    assert (part["state"], part["open_attempts"], part["started_at"]) == ("queued", [], None)
    assert repository.begin(made, 1)["import"] == str(made)
    plain = repository.create(parts=1)
    assert repository.begin(plain, 1, p_takes_prefix=False)["import"] == str(plain)


def test_no_two_imports_have_the_same_prefix(repository):
    first = repository.create(contacts_ahead=AHEAD)
    later = uuid.UUID(int=first.int + (AHEAD * 1000 << 80))
    assert repository.create(import_id=later) == DUPLICATE
    assert repository.create(import_id=later, contacts_ahead=1) == later


def test_a_cancelled_import_counts_contacts_that_are_dated_ahead(repository):
    made = repository.create(parts=2, contacts_ahead=AHEAD)
    repository.begin(made, 1)
    repository.write(made, 1, ["Ada", "Bob"])
    repository.on("cancel_import", made)
    repository.cancel(made, 1)
    assert repository.counts(made) == (2, 0, 18)
    assert repository.contacts(made) == 2


def test_a_rejection_of_a_contact_that_is_dated_ahead_is_removed(repository):
    made = repository.create(parts=1, contacts_ahead=AHEAD)
    repository.begin(made, 1)
    repository.write(made, 1, [f"P{n}" for n in range(PART - 1)])
    assert repository.on("contacts_among", made, p_records=[1, 9, 10]) == [1, 9]
    for record in (9, 10):
        repository.write_rejection(made, 1, record)
    repository.finish(made, 1, imported=PART - 2)
    assert repository.counts(made) == (9, 1, 0)


def test_an_undo_removes_contacts_that_are_dated_ahead(repository):
    made, other = repository.create(contacts_ahead=AHEAD), repository.create()
    for each in (made, other):
        for part in (1, 2):
            repository.begin(each, part)
            repository.write(each, part, ["P"] * PART)
            repository.finish(each, part)
    repository.on("undo_import", made, p_message=unprocessed(undo_import_message(made)))
    while repository.on("undo_some", made, p_limit=3):
        pass
    repository.on("finish_undo", made)
    assert repository.state(made) == "undone"
    assert (repository.contacts(made), repository.contacts(other)) == (0, 2 * PART)
