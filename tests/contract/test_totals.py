"""The totals of an import are the sums over its parts, whatever happens to these."""

import json
import random
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from embedded.migrations import apply_migrations
from tests.support.database_functions import RECORDS, Database, empty_database
from tests.support.new_database import MIGRATIONS, new_database, run

TOTALS = """
    select to_jsonb(i) - 'served_at' - 'started_at' - 'finished_at' from imports i where id = %s
"""
BUFFERS = "explain (analyze, buffers, timing off, format json) select {}"
FINISH = "select finish_part(%s, %s, %s, %s, %s, %s, %s, %s)"
MANY_PARTS = """
    insert into public.imports (id, source, format, object, bytes, records, message_id, state)
    values ('{id}', 's', 'csv', 'o', 1, {parts} * 10, '{id}', 'importing');
    insert into public.import_parts (
      import_id, part, byte_start, byte_end, first_record, records, warnings, ignored, state,
      imported, rejected, rejected_codes)
    select '{id}', part, part, part + 1, part * 10 - 9, 10, jsonb_build_object(
      'name_repaired', jsonb_build_object('count', 2, 'records', array[part * 10 - 9, part * 10]),
      'further_addresses', jsonb_build_object('count', 7, 'records', array[
        part * 10 - 8, part * 10 - 7, part * 10 - 6, part * 10 - 5, part * 10 - 4])),
      '["phone", "city"]', 'done', 9, 1, '{{"email_invalid": 1}}'
    from generate_series({parts}, 1, -1) part;
    select recount_import('{id}');
"""


@pytest.fixture(scope="module")
def migrated(embedded_env: Mapping[str, str]) -> Iterator[str]:
    with new_database(embedded_env) as dsn:
        apply_migrations(dsn, MIGRATIONS)
        yield dsn


@pytest.fixture
def database(migrated: str) -> Iterator[Database]:
    with empty_database(migrated) as database:
        yield database


def totals(database: Database, import_id: uuid.UUID) -> dict[str, Any]:
    """Return the totals of an import, which must be those of a new count."""
    [(kept,)] = database.ask(TOTALS, str(import_id))
    database.ask("select recount_import(%s)", str(import_id))
    [(counted,)] = database.ask(TOTALS, str(import_id))
    assert kept == counted
    return dict(kept)


def reject(database: Database, place: tuple[uuid.UUID, int], attempt: str, count: int) -> None:
    first = (place[1] - 1) * RECORDS + 1
    rows = [
        {"import_id": str(place[0]), "part": place[1], "record": record,
         "code": ("email_invalid", "name_too_long")[record % 2], "message": "m", "content": "c"}
        for record in range(first, first + count)
    ]  # fmt: skip
    values = (str(place[0]), place[1], attempt, json.dumps(rows))
    database.ask("select write_rejections(%s, %s, %s, %s)", *values)


def finish(database: Database, place: tuple[uuid.UUID, int], chance: random.Random) -> None:
    """End a part with rejections, skipped rows, ignored names and warnings of any number."""
    attempt = database.attempt_at(place)
    rejected, skipped = chance.randint(0, 3), chance.randint(0, 2)
    reject(database, place, attempt, rejected)
    first = (place[1] - 1) * RECORDS + 1
    warned = sorted(chance.sample(range(first, first + RECORDS), chance.randint(1, 5)))
    codes = chance.sample(("name_repaired", "address_dropped", "cells_missing"), 2)
    database.ask(
        FINISH, str(place[0]), place[1], attempt, RECORDS - rejected - skipped, rejected,
        json.dumps(chance.sample(("phone", "city", "street"), 2))
        if chance.random() < 0.5 else None,
        json.dumps({"blank_row": skipped}) if skipped else None,
        json.dumps({code: {"count": len(warned), "records": warned} for code in codes})
        if chance.random() < 0.8 else None,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_totals_are_the_sums_over_the_parts_after_each_step(database, seed):
    chance = random.Random(seed)
    import_id = database.create(parts=9)
    database.start(import_id)
    assert totals(database, import_id)["parts_total"] == 9
    for number in range(7):
        place = database.take()
        if number % 3 == 2:
            attempt = database.attempt_at(place)
            reject(database, place, attempt, 2)
            values = (str(place[0]), place[1], attempt)
            database.ask("select fail_part(%s, %s, %s, 'code', 'detail')", *values)
        else:
            finish(database, place, chance)
        totals(database, import_id)
    running = database.take()
    database.ask("select cancel_import(%s)", str(import_id))
    assert totals(database, import_id)["parts_cancelled"] == 1
    values = (str(running[0]), running[1], database.attempt_at(running))
    database.ask("select cancel_part(%s, %s, %s)", *values)
    assert totals(database, import_id)["state"] == "cancelled"


def test_a_retry_and_an_undo_take_back_what_parts_had_counted(database):
    chance = random.Random(1)
    import_id = database.create(parts=5)
    database.start(import_id)
    for number in range(5):
        place = database.take()
        if number == 1:
            attempt = database.attempt_at(place)
            reject(database, place, attempt, 2)
            values = (str(place[0]), place[1], attempt)
            database.ask("select fail_part(%s, %s, %s, 'code', 'detail')", *values)
        else:
            finish(database, place, chance)
    assert totals(database, import_id)["state"] == "failed"
    message = {"queue_name": "imports", "message_id": str(uuid.uuid4())}
    database.ask("select retry_import(%s, %s)", str(import_id), json.dumps(message))
    assert totals(database, import_id)["parts_failed"] == 0
    database.start(import_id)
    finish(database, database.take(), chance)
    assert totals(database, import_id)["state"] == "completed"
    message = {"queue_name": "imports", "message_id": str(uuid.uuid4())}
    database.ask("select undo_import(%s, %s)", str(import_id), json.dumps(message))
    while database.ask("select undo_some(%s, 1000)", str(import_id)) == [(True,)]:
        [(kept,)] = database.ask(TOTALS, str(import_id))
        counted = totals_without_samples(totals_of(database, import_id))
        assert totals_without_samples(kept) == counted
    assert totals(database, import_id)["imported"] == 0


def totals_of(database: Database, import_id: uuid.UUID) -> dict[str, Any]:
    """Return the totals of a new count."""
    database.ask("select recount_import(%s)", str(import_id))
    [(counted,)] = database.ask(TOTALS, str(import_id))
    return dict(counted)


def totals_without_samples(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out the numbers of records with warnings: those cut off before are not known again."""
    return found | {"warnings": {code: each["count"] for code, each in found["warnings"].items()}}


def test_the_names_that_parts_have_found_are_kept_once(database):
    import_id = database.create(parts=3)
    database.start(import_id)
    for names in (["phone", "city"], ["city", "street"], None):
        place = database.take()
        values = (str(place[0]), place[1], database.attempt_at(place), RECORDS, 0)
        database.ask(FINISH, *values, json.dumps(names) if names else None, None, None)
    [(found,)] = database.ask("select get_import(%s) -> 'ignored'", str(import_id))
    assert found == ["city", "phone", "street"]


@pytest.mark.parametrize("call", ["get_import('{}')", "list_imports(null, null, null, 1)"])
def test_the_status_reads_no_more_of_thousands_of_parts_than_of_ten(migrated, call):
    buffers = []
    for parts in (10, 8500):
        with empty_database(migrated) as database:
            import_id = uuid.uuid4()
            run(migrated, MANY_PARTS.format(id=import_id, parts=parts))
            run(migrated, "analyze imports, import_parts")
            for _ in range(2):  # the first call also reads the catalog
                [(explained,)] = database.ask(BUFFERS.format(call.format(import_id)))
            plan = explained[0]["Plan"]
            buffers.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
            [(shown,)] = database.ask("select get_import(%s)", str(import_id))
            assert shown["warnings"] == {
                "name_repaired": {"count": 2 * parts, "records": [1, 10, 11, 20, 21]},
                "further_addresses": {"count": 7 * parts, "records": [2, 3, 4, 5, 6]},
            }
            assert (shown["imported"], shown["rejected_codes"]) == (
                9 * parts, {"email_invalid": parts}
            )  # fmt: skip
    few, many = buffers
    assert many <= few + 3  # an index of thousands of parts is a level deeper
