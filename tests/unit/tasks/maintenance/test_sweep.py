from uuid import UUID

import pytest

from core.errors import TransientError
from core.ids import job_id, new_import_id
from core.rejection_objects import rejections_folder
from core.supabase.storage_api import StoredObject
from tasks.maintenance import sweep as sweeping
from tasks.maintenance.sweep import Sweep
from tests.unit.tasks.fakes import FakeMetrics

NOW = 1_795_416_631.0
AFTER = 1000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(sweeping.time, "time", lambda: NOW)


def born(ago):
    """An import's id that was made so many seconds ago."""
    return UUID(int=int((NOW - ago) * 1000) << 80 | new_import_id().int & (1 << 80) - 1)


def stored(import_id, created_ago, ending="json"):
    return StoredObject(f"{job_id(import_id)}.{ending}", NOW - created_ago)


class FakeRepository:
    def __init__(self, *, turns=(), lost=(), known=()):
        self.turns = dict(turns)
        self.pages = lost
        self.imports = set(known)
        self.calls = []

    def begin(self, kind, every):
        self.calls.append(("begin", kind, every))
        return self.turns.get(kind)

    def end(self, kind, until):
        self.calls.append(("end", kind, until))

    def lost(self):
        yield from self.pages

    def queue(self, imports):
        self.calls.append(("queue", *imports))

    def queue_undos(self):
        self.calls.append(("undos",))

    def known(self, imports):
        self.calls.append(("known", *imports))
        return self.imports & set(imports)


class FakeObjects:
    def __init__(self, *pages, error=None):
        self.content = pages
        self.seen = 0
        self.removed = []
        self.error = error

    def pages(self):
        for page in self.content:
            self.seen += 1
            yield page

    def remove_folder(self, folder):
        self.removed.append(f"{folder}/")
        return 3

    def remove(self, names):
        if self.error:
            raise self.error
        self.removed += names


def sweep(repository=None, objects=None, metrics=None):
    return Sweep(
        repository or FakeRepository(),
        objects or FakeObjects(),
        metrics or FakeMetrics(),
        after=AFTER,
    )


def test_lost_imports_are_queued_page_by_page_and_counted():
    one, two, three = born(3), born(2), born(1)
    repository, metrics = FakeRepository(lost=[[one, two], [three]]), FakeMetrics()
    assert sweep(repository, metrics=metrics).queue_lost() == 3
    assert repository.calls == [("undos",), ("queue", one, two), ("queue", three)]
    assert metrics.seen == [("queued again", 2), ("queued again", 1)]


@pytest.mark.parametrize(
    ("born_ago", "created_ago", "removed"),
    [
        (AFTER + 1, AFTER + 1, True),
        (9 * AFTER, AFTER + 1, True),
        (AFTER, AFTER, False),
        (AFTER - 1, AFTER + 1, False),  # a clock is wrong: rather keep it
        (9 * AFTER, AFTER - 1, False),  # an upload that took long
        (-5, -5, False),
    ],
)
def test_only_what_is_old_by_its_name_and_by_its_object_is_removed(born_ago, created_ago, removed):
    orphan = stored(born(born_ago), created_ago)
    objects, metrics = FakeObjects([orphan]), FakeMetrics()
    assert sweep(objects=objects, metrics=metrics).remove_orphans() == removed
    assert objects.removed == [orphan.name] * removed
    assert metrics.seen == [("removed", 1)] * removed


def test_an_object_of_an_import_is_kept_whatever_its_age():
    import_id, orphan = born(9 * AFTER), born(9 * AFTER)
    page = [stored(import_id, 9 * AFTER), stored(orphan, 9 * AFTER, "csv")]
    repository, objects = FakeRepository(known=[import_id]), FakeObjects(page)
    sweep(repository, objects).remove_orphans()
    assert objects.removed == [page[1].name]
    assert repository.calls[0] == ("known", import_id, orphan)


def test_a_folder_of_rejections_without_an_import_is_removed():
    kept, gone = born(9 * AFTER), born(9 * AFTER)
    page = [StoredObject(rejections_folder(one), 0.0, is_folder=True) for one in (kept, gone)]
    page += [StoredObject("others.rejections", 0.0, is_folder=True), stored(gone, 9 * AFTER)]
    objects, metrics = FakeObjects(page), FakeMetrics()
    assert sweep(FakeRepository(known=[kept]), objects, metrics).remove_orphans() == 4
    assert objects.removed == [page[3].name, f"{page[1].name}/"]
    assert metrics.seen == [("removed", 4)]


@pytest.mark.parametrize(
    "name",
    [
        "notes.json",
        f"{job_id(born(9 * AFTER))}",
        f"{job_id(born(9 * AFTER))}.txt",
        f"{born(9 * AFTER)}.json",
        f"{job_id(born(9 * AFTER)).upper()}.json",
        f"x-{job_id(born(9 * AFTER))}.json",
        "import-6ba7b810-9dad-41d1-80b4-00c04fd430c8.json",
        ".json",
        "",
    ],
)
def test_what_the_service_cannot_have_named_is_none_of_our_business(name):
    repository, objects = FakeRepository(), FakeObjects([StoredObject(name, 0.0)])
    assert sweep(repository, objects).remove_orphans() == 0
    assert objects.removed == []
    assert "known" not in dict(call[:2] for call in repository.calls)


def test_it_stops_where_a_sweep_before_it_has_been_and_notes_how_far_it_came():
    pages = [[stored(born(ago), ago), stored(born(ago + 5), ago)] for ago in (10, 3000, 6000, 9000)]
    repository, objects = FakeRepository(), FakeObjects(*pages)
    assert sweep(repository, objects).remove_orphans(since=NOW - 5000) == 4
    assert objects.seen == 3
    assert repository.calls[-1] == ("end", "objects", NOW - 2 * AFTER)


def test_a_page_with_one_newer_object_is_not_the_last():
    pages = [[stored(born(5005), 1), stored(born(4995), 1)], [stored(born(4000), 4000)]]
    objects = FakeObjects(*pages)
    sweep(objects=objects).remove_orphans(since=NOW - 5000)
    assert objects.seen == 2


def test_a_sweep_that_broke_off_has_come_nowhere():
    repository = FakeRepository()
    objects = FakeObjects([stored(born(5000), 5000)], error=TransientError("storage", "away"))
    with pytest.raises(TransientError):
        sweep(repository, objects).remove_orphans()
    assert "end" not in [call[0] for call in repository.calls]


@pytest.mark.parametrize("due", [(), ("messages",), ("objects",), ("messages", "objects")])
def test_only_what_is_due_is_swept(due):
    lost, orphan = born(1), stored(born(5000), 5000)
    repository = FakeRepository(turns=dict.fromkeys(due, 0.0), lost=[[lost]])
    objects = FakeObjects([orphan])
    sweep(repository, objects).take_turn()
    assert (("queue", lost) in repository.calls) == ("messages" in due)
    assert (("undos",) in repository.calls) == ("messages" in due)
    assert objects.removed == [orphan.name] * ("objects" in due)
    assert {call for call in repository.calls if call[0] == "begin"} == {
        ("begin", "messages", 60.0), ("begin", "objects", 3600.0),
    }  # fmt: skip
