"""Which part a message processes: fair shares by source, then by import; refilling the queue.

In a database of its own, where no worker runs and no other import has anything to do.
"""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from core.queue_messages import QUEUE, SMALL_QUEUE
from embedded.migrations import apply_migrations
from tests.support.database_functions import SMALL, Database, empty_database
from tests.support.new_database import MIGRATIONS, new_database


@pytest.fixture(scope="module")
def migrated(embedded_env: Mapping[str, str]) -> Iterator[str]:
    with new_database(embedded_env) as dsn:
        apply_migrations(dsn, MIGRATIONS)
        yield dsn


@pytest.fixture
def database(migrated: str) -> Iterator[Database]:
    with empty_database(migrated) as database:
        yield database


def test_parts_are_given_to_imports_in_turn(database):
    one, two = database.create(parts=4), database.create(parts=4)
    taken = [database.take() for _ in range(6)]
    assert Counter(found for found, _ in taken) == {one: 3, two: 3}
    assert [part for found, part in taken if found == one] == [1, 2, 3]


def test_a_new_import_has_the_next_parts_until_it_has_its_share(database):
    one = database.create(parts=9)
    assert {database.take()[0] for _ in range(4)} == {one}
    two = database.create(parts=9)
    assert [database.take()[0] for _ in range(4)] == [two] * 4


def test_sources_have_equal_shares_however_many_imports_they_have(database):
    crowd = {database.create("crowd") for _ in range(20)}
    single = database.create("single", parts=20)
    taken = [database.take()[0] for _ in range(12)]
    assert (sum(found in crowd for found in taken), taken.count(single)) == (6, 6)


def test_many_sources_are_all_served(database):
    imports = {database.create(f"source {number}") for number in range(120)}
    assert {database.take()[0] for _ in range(120)} == imports


def test_a_source_is_served_however_many_others_have_all_their_parts_in_progress(database):
    for number in range(120):
        database.create(f"source {number:03}")
    for _ in range(119):
        assert database.take() is not None
    [(last,)] = database.ask("select source from import_sources order by served_at desc limit 1")
    assert database.take() is not None
    # In alphabetical order, beginning after the source that was served last, it is the last one.
    single = database.create(last[:-1])
    database.ask("update import_sources set served_at = now() where source = %s", last)
    assert database.take() == (single, 1)
    assert database.take() is None


def test_one_worker_serves_imports_in_turn(database):
    one, two = database.create("a", parts=3), database.create("b", parts=3)
    order = []
    for _ in range(6):
        place = database.take()
        order.append(place[0])
        database.finish(place)
    assert order == order[:2] * 3
    assert {one, two} == set(order)
    assert (database.state(one), database.state(two)) == ("completed", "completed")


def test_a_message_that_comes_again_goes_on_with_its_part(database):
    made, message = database.create(parts=3), uuid.uuid4()
    assert database.take(message) == (made, 1)
    assert database.take() == (made, 2)
    assert database.take(message) == (made, 1)


def test_a_postponed_part_waits_for_its_message(database):
    made, message = database.create(), uuid.uuid4()
    place = database.take(message)
    database.postpone(place)
    assert database.take() is None
    assert database.take(message) == place == (made, 1)


def test_a_part_whose_message_is_gone_is_taken_by_one_that_names_it(database):
    made = database.create(parts=2)
    assert [database.take(), database.take()] == [(made, 1), (made, 2)]
    assert database.take(named=(made, 2)) == (made, 2)
    assert database.take() is None


def test_a_part_that_version_0_1_has_begun_is_taken_by_its_message(database):
    made, _ = database.create(parts=3), database.create()
    assert database.take_named((made, 3)) == (made, 3)
    assert database.take(named=(made, 3)) == (made, 3)


def test_start_import_has_parts_wait_again_whose_message_is_gone(database):
    made = database.create(parts=3)
    database.take()
    assert database.start(made) == [1, 2, 3]


def test_start_import_leaves_parts_to_messages_that_are_pending(database):
    made = database.create()
    [(message,)] = database.ask("select message_id from dramatiq.queue")
    database.take(uuid.UUID(message))
    assert database.start(made) == []


def test_a_large_import_has_a_bounded_number_of_messages(database):
    made = database.create(parts=200)
    assert database.start(made) == list(range(1, 129))


def test_the_end_of_a_part_queues_a_message_while_more_parts_than_messages_wait(database):
    made = database.create(parts=3)
    for expected in ([(str(made), 2)], [(str(made), 2)], [(str(made), 2)]):
        database.finish(database.take())
        assert database.messages(QUEUE) == expected
    assert database.state(made) == "completed"


def test_the_end_of_a_small_import_queues_nothing(database):
    database.create(parts=3)
    made = database.create(size=SMALL)
    database.finish(database.take(named=(made, 1)))
    assert (database.state(made), database.messages(QUEUE)) == ("completed", [])


def test_small_imports_and_large_ones_do_not_take_each_others_messages(database):
    large, small = database.create(), database.create(size=SMALL)
    assert [part for part, _ in database.messages(SMALL_QUEUE)] == [str(small)]
    assert database.take(named=(small, 1)) == (small, 1)
    assert database.take() == (large, 1)


def test_small_imports_of_several_sources_are_served_in_turn(database):
    crowd = [database.create("crowd", size=SMALL) for _ in range(30)]
    single = database.create("single", size=SMALL)
    taken = [database.take(named=(made, 1)) for made in crowd[:3]]
    assert (single, 1) in taken


def test_small_imports_of_one_source_are_served_in_their_order(database):
    crowd = [(database.create(size=SMALL), 1) for _ in range(30)]
    assert [database.take(named=place) for place in crowd] == crowd


def test_an_import_without_any_message_is_lost(database):
    made = database.create(parts=2)
    assert database.lost() == []
    database.ask("delete from dramatiq.queue")
    assert database.lost() == [made]
    database.take()
    assert database.lost() == [made]


def test_waiting_parts_are_not_lost_while_any_message_takes_parts(database):
    database.create(parts=2)
    database.ask("delete from dramatiq.queue")
    database.create(parts=1)
    assert database.lost() == []


def test_old_messages_are_deleted_and_others_kept(database):
    for _ in range(3):
        database.create(size=SMALL)
    database.ask(
        "update dramatiq.queue set state = 'done', mtime = mtime - interval '2 hours'"
        " where message_id in (select message_id from dramatiq.queue limit 2)"
    )
    assert database.ask("select delete_old_messages(3600, 1)") == [(1,)]
    assert database.ask("select delete_old_messages(3600, 9)") == [(1,)]
    assert database.ask("select delete_old_messages(3600, 9)") == [(0,)]
    assert database.ask("select count(*) from dramatiq.queue") == [(1,)]
