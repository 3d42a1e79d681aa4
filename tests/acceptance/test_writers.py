"""Both writers write the same into the tables, whatever was there before."""

from uuid import UUID

import pytest

from core.ids import contact_id_prefix
from tests.acceptance.conftest import Importer

ODD = [
    "back\\slash", "\\Nx", "\\.", "unit\x1fseparator", "a\x1f\x1fb",
    "a|b", 'quote"', "nil", "李 明", "\U0001f600", "x" * 1000,
]  # fmt: skip


@pytest.fixture(params=["postgrest", "copy"])
def writer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def stored(importer: Importer, job: str) -> list[tuple[int, str | None, str | None]]:
    """Return record number, name and e-mail of all contacts of an import."""
    prefix = contact_id_prefix(UUID(job.removeprefix("import-")))
    found = importer.query(
        "select id::text, name, email from contacts where id::text like %s order by id",
        f"{prefix}%",
    )
    return [
        (int(identity[27:].replace("-", ""), 16), name, email) for identity, name, email in found
    ]


def test_writers_keep_texts_of_any_kind(importer: Importer, writer: str) -> None:
    people = [{"name": name} for name in ODD] + [{"email": "only@example.com"}, {"name": "end"}]
    job = importer.post(people, source="\\here and \\N, quite ödd")

    done = importer.run("tasks", "--once", CONTACTS_WRITER=writer)

    assert done.returncode == 0, done.stderr
    names = [name.strip() for name in ODD]
    assert stored(importer, job) == [
        *((at, name, None) for at, name in enumerate(names, 1)),
        (len(ODD) + 1, None, "only@example.com"),
        (len(ODD) + 2, "end", None),
    ]


def test_writers_reject_only_rows_that_the_table_rejects(importer: Importer, writer: str) -> None:
    people = [{"name": f"{writer} {n}"} for n in range(1, 301)]
    people[99] = {"email": "nowhere"}
    job = importer.post(people, source=f"rejected {writer}")
    importer.query(
        "alter table contacts add constraint picky check (name not in (%s, %s))",
        f"{writer} 7",
        f"{writer} 300",
    )
    try:
        done = importer.run("tasks", "--once", CONTACTS_WRITER=writer)
    finally:
        importer.query("alter table contacts drop constraint picky")

    assert done.returncode == 0, done.stderr
    assert importer.counts(job) == (297, 3)
    rejections = importer.query(
        "select record, code from import_rejections where import_id = %s order by record",
        job.removeprefix("import-"),
    )
    assert rejections == [
        (7, "refused_by_database"), (100, "email_invalid"), (300, "refused_by_database"),
    ]  # fmt: skip
    assert [record for record, *_ in stored(importer, job)] == [
        n for n in range(1, 301) if n not in {7, 100, 300}
    ]


def test_writers_do_not_double_contacts_of_an_earlier_run(importer: Importer, writer: str) -> None:
    job = importer.post([{"name": f"P{n}"} for n in range(1, 301)], source=f"again {writer}")
    prefix = contact_id_prefix(UUID(job.removeprefix("import-")))
    importer.query(
        "insert into contacts (id, name, source) select (%s || lpad(to_hex(n), 9, '0'))::uuid, "
        "'P' || n, %s from generate_series(40, 160) n",
        prefix,
        f"again {writer}",
    )

    done = importer.run("tasks", "--once", CONTACTS_WRITER=writer)

    assert done.returncode == 0, done.stderr
    assert importer.counts(job) == (300, 0)
    assert stored(importer, job) == [(n, f"P{n}", None) for n in range(1, 301)]
    assert importer.query("select count(*) from contacts where source = %s", f"again {writer}") == [
        (300,)
    ]


def test_ids_of_a_large_import_come_after_those_of_a_later_small_one(
    importer: Importer, writer: str
) -> None:
    source, many = f"large {writer}", 12_000
    job = importer.post([{"name": f"P{n}"} for n in range(1, many + 1)], source=source)
    small = importer.post([{"name": "later"}], source=f"small {writer}")
    # As an earlier run may have left it.
    importer.query(
        "insert into contacts (id, name, source) "
        "select contact_id(prefix_of_import(%s), n), 'P' || n, %s from generate_series(40, 160) n",
        job.removeprefix("import-"),
        source,
    )

    done = importer.run("tasks", "--once", CONTACTS_WRITER=writer)

    assert done.returncode == 0, done.stderr
    assert (importer.counts(job), importer.counts(small)) == ((many, 0), (1, 0))
    [(rows, names, first)] = importer.query(
        "select count(*), count(distinct name), min(id::text) from contacts where source = %s",
        source,
    )
    assert (rows, names) == (many, many)
    [(record, _, _)] = stored(importer, small)
    assert record == 1
    assert first > contact_id_prefix(UUID(small.removeprefix("import-")))

    assert importer.http.delete(f"/import/{job}").json()["state"] == "undoing"
    assert importer.run("tasks", "--once").returncode == 0
    assert importer.query("select count(*) from contacts where source = %s", source) == [(0,)]
    assert len(stored(importer, small)) == 1
