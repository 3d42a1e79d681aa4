"""A page of the list reads no more among thousands of imports than among some, at any depth."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from embedded.migrations import apply_migrations
from tests.support.new_database import MIGRATIONS, new_database, run

PAGE = 5
MANY = 20_000
SOME_PAGES = 60
"""Blocks of the database that reading a page takes at most, with indexes of any size."""
# Import n of MANY: of source a or b in turn. One in a hundred of source b has failed.
IMPORTS = f"""
    insert into imports (id, source, format, object, bytes, records, message_id, state, finished_at)
    select (lpad(to_hex(n), 12, '0') || '70008000000000000000')::uuid,
           case n % 2 when 0 then 'a' else 'b' end, 'csv', 'o', 1, 1, gen_random_uuid(),
           case n % 100 when 1 then 'failed' else 'completed' end, now()
    from generate_series(1, {MANY}) n
"""
BUFFERS = "explain (analyze, buffers, timing off, format json) select list_imports({}, {}, {}, {})"


@pytest.fixture(scope="module")
def filled(embedded_env: Mapping[str, str]) -> Iterator[str]:
    with new_database(embedded_env) as dsn:
        apply_migrations(dsn, MIGRATIONS)
        run(dsn, IMPORTS)
        run(dsn, "analyze imports")
        yield dsn


def quoted(value: str | None) -> str:
    return "null" if value is None else f"'{value}'"


def numbers(state: str | None, source: str | None, before: int | None) -> list[int]:
    """Return the numbers of the imports of a page, of all there are."""
    found = range(MANY if before is None else before - 1, 0, -1)
    return [
        n
        for n in found
        if source in {None, "ab"[n % 2]}
        and state in {None, "failed" if n % 100 == 1 else "completed"}
    ][:PAGE]


@pytest.mark.parametrize("before", [None, MANY // 2, 50])
@pytest.mark.parametrize(
    ("state", "source"),
    [
        (None, None),
        ("failed", None),
        ("completed", None),
        ("queued", None),
        (None, "a"),
        (None, "nobody"),
        ("failed", "b"),
        ("failed", "a"),
    ],
)
def test_a_page_costs_the_same_everywhere(
    filled: str, state: str | None, source: str | None, before: int | None
) -> None:
    cursor = None if before is None else str(uuid.UUID(int=before << 80 | 0x70008000000000000000))
    arguments = (quoted(state), quoted(source), quoted(cursor), PAGE)
    call = BUFFERS.format(*arguments)
    [(shown,)] = run(filled, f"select list_imports({', '.join(map(str, arguments))})")
    listed: list[dict[str, Any]] = list(shown)  # type: ignore[arg-type]
    assert [uuid.UUID(each["id"]).int >> 80 for each in listed] == numbers(state, source, before)
    [explained] = run(filled, f"{call}; {call}")  # the first one also reads the catalog
    plan = explained[0][0]["Plan"]  # type: ignore[index]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= SOME_PAGES
