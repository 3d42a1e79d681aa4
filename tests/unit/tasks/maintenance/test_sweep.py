from uuid import UUID

import pytest

from core.errors import PermanentError, TransientError
from core.ids import job_id, new_import_id
from core.rejection_objects import rejections_folder
from core.supabase.storage_shared import StoredObject
from tasks.maintenance import sweep as sweeping
from tasks.maintenance.sweep import Sweep
from tests.unit.tasks.fakes import FakeMetrics

NOW = 1_795_416_631.0
AFTER = 1000.0
KEPT = 7200.0


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(sweeping.time, "time", lambda: NOW)


def made(ago):
    """The id of an import that was made so many seconds ago."""
    return UUID(int=int((NOW - ago) * 1000) << 80 | new_import_id().int & (1 << 80) - 1)


def stored(import_id, created_ago, ending="json"):
    return StoredObject(f"{job_id(import_id)}.{ending}", NOW - created_ago)


class FakeRepository:
    def __init__(self, *, due=(), lost=(), known=()):
        self.due = dict(due)
        self.pages = lost
        self.imports = set(known)
        self.calls = []
        self.uploads = []
        self.old_messages = [0]
        """Numbers that are deleted by the next calls, the first one last."""

    def begin_sweep(self, kind, every):
        self.calls.append(("begin", kind, every))
        return self.due.get(kind)

    def end_sweep(self, kind, until):
        self.calls.append(("end", kind, until))

    def lost_imports(self):
        yield from self.pages

    def queue_imports(self, imports):
        self.calls.append(("queue", *imports))

    def queue_undos(self):
        self.calls.append(("undos",))

    def queue_erasures(self):
        self.calls.append(("erasures",))

    def delete_old_messages(self, seconds, max_messages):
        self.calls.append(("delete", seconds))
        return self.old_messages.pop()

    def abandoned_uploads(self, seconds):
        self.calls.append(("abandoned", seconds))
        yield from self.uploads

    def forget_upload(self, path):
        self.uploads = [upload for upload in self.uploads if upload != path]

    def known_imports(self, imports):
        self.calls.append(("known", *imports))
        return self.imports & set(imports)


class FakeStorage:
    def __init__(self, *pages, error=None):
        self.content = pages
        self.seen = 0
        self.removed = []
        self.error = error

    def listing(self):
        return self

    def pages(self):
        for page in self.content:
            self.seen += 1
            yield page

    def cancel_upload(self, path):
        if self.error:
            raise self.error
        self.removed.append(path)
        return "complete" not in path

    def remove_folder(self, folder):
        self.removed.append(f"{folder}/")
        return 3

    def remove(self, names):
        if self.error:
            raise self.error
        self.removed += names


class FakeRetention:
    def __init__(self):
        self.runs = []

    def run(self, seconds):
        self.runs.append(seconds)


def sweep(repository=None, storage=None, metrics=None, retention=None):
    return Sweep(
        repository or FakeRepository(),
        storage or FakeStorage(),
        metrics or FakeMetrics(),
        retention or FakeRetention(),
        after=AFTER,
        keep_messages=KEPT,
    )


def test_queue_lost_imports_queues_page_by_page_and_counts():
    one, two, three = made(3), made(2), made(1)
    repository, metrics = FakeRepository(lost=[[one, two], [three]]), FakeMetrics()
    assert sweep(repository, metrics=metrics).queue_lost_imports() == 3
    assert repository.calls == [
        ("undos",), ("erasures",), ("queue", one, two), ("queue", three),
    ]  # fmt: skip
    assert metrics.seen == [("queued again", 2), ("queued again", 1)]


def test_abandoned_uploads_are_ended_and_complete_ones_forgotten():
    repository, storage, metrics = FakeRepository(), FakeStorage(), FakeMetrics()
    repository.uploads = ["/one", "/complete", "/two"]
    assert sweep(repository, storage, metrics).end_abandoned_uploads() == 2
    assert storage.removed == ["/one", "/complete", "/two"]
    assert repository.uploads == []
    assert metrics.seen == [("uploads ended", 2)]


def test_an_upload_that_storage_refuses_to_end_stays_recorded():
    repository = FakeRepository()
    repository.uploads = ["/one"]
    storage = FakeStorage(error=PermanentError("storage", "may not", status=403))
    assert sweep(repository, storage).end_abandoned_uploads() == 0
    assert repository.uploads == ["/one"]


@pytest.mark.parametrize(
    ("made_ago", "created_ago", "removed"),
    [
        (AFTER + 1, AFTER + 1, True),
        (9 * AFTER, AFTER + 1, True),
        (AFTER, AFTER, False),
        (AFTER - 1, AFTER + 1, False),  # a clock is wrong: rather keep it
        (9 * AFTER, AFTER - 1, False),  # an upload that took long
        (-5, -5, False),
    ],
)
def test_remove_orphans_removes_what_is_old_by_its_name_and_by_its_object(
    made_ago, created_ago, removed
):
    orphan = stored(made(made_ago), created_ago)
    storage, metrics = FakeStorage([orphan]), FakeMetrics()
    assert sweep(storage=storage, metrics=metrics).remove_orphans() == removed
    assert storage.removed == [orphan.name] * removed
    assert metrics.seen == [("removed", 1)] * removed


def test_an_object_of_an_import_is_kept_whatever_its_age():
    import_id, orphan = made(9 * AFTER), made(9 * AFTER)
    page = [stored(import_id, 9 * AFTER), stored(orphan, 9 * AFTER, "csv")]
    repository, storage = FakeRepository(known=[import_id]), FakeStorage(page)
    sweep(repository, storage).remove_orphans()
    assert storage.removed == [page[1].name]
    assert repository.calls[0] == ("known", import_id, orphan)


def test_a_folder_of_rejections_without_an_import_is_removed():
    kept, gone = made(9 * AFTER), made(9 * AFTER)
    page = [StoredObject(rejections_folder(one), 0.0, is_folder=True) for one in (kept, gone)]
    page += [StoredObject("others.rejections", 0.0, is_folder=True), stored(gone, 9 * AFTER)]
    storage, metrics = FakeStorage(page), FakeMetrics()
    assert sweep(FakeRepository(known=[kept]), storage, metrics).remove_orphans() == 4
    assert storage.removed == [page[3].name, f"{page[1].name}/"]
    assert metrics.seen == [("removed", 4)]


@pytest.mark.parametrize(
    "name",
    [
        "notes.json",
        f"{job_id(made(9 * AFTER))}",
        f"{job_id(made(9 * AFTER))}.txt",
        f"{made(9 * AFTER)}.json",
        f"{job_id(made(9 * AFTER)).upper()}.json",
        f"x-{job_id(made(9 * AFTER))}.json",
        "import-6ba7b810-9dad-41d1-80b4-00c04fd430c8.json",
        ".json",
        "",
    ],
)
def test_objects_that_the_service_cannot_have_named_are_left_alone(name):
    repository, storage = FakeRepository(), FakeStorage([StoredObject(name, 0.0)])
    assert sweep(repository, storage).remove_orphans() == 0
    assert storage.removed == []
    assert "known" not in dict(call[:2] for call in repository.calls)


def test_remove_orphans_stops_where_the_last_sweep_ended_and_records_how_far_it_came():
    pages = [[stored(made(ago), ago), stored(made(ago + 5), ago)] for ago in (10, 3000, 6000, 9000)]
    repository, storage = FakeRepository(), FakeStorage(*pages)
    assert sweep(repository, storage).remove_orphans(since=NOW - 5000) == 4
    assert storage.seen == 3
    assert repository.calls[-1] == ("end", "objects", NOW - 2 * AFTER)


def test_a_page_with_one_newer_object_is_not_the_last():
    pages = [[stored(made(5005), 1), stored(made(4995), 1)], [stored(made(4000), 4000)]]
    storage = FakeStorage(*pages)
    sweep(storage=storage).remove_orphans(since=NOW - 5000)
    assert storage.seen == 2


def test_old_messages_are_deleted_until_none_is_left():
    repository = FakeRepository()
    repository.old_messages, metrics = [0, 17, 5000], FakeMetrics()
    assert sweep(repository, metrics=metrics).delete_old_messages() == 5017
    assert metrics.seen == [("expired", "messages", 5000), ("expired", "messages", 17)]


def test_an_interrupted_sweep_records_nothing():
    repository = FakeRepository()
    storage = FakeStorage([stored(made(5000), 5000)], error=TransientError("storage", "away"))
    with pytest.raises(TransientError):
        sweep(repository, storage).remove_orphans()
    assert "end" not in [call[0] for call in repository.calls]


def test_sweeps_are_counted_also_if_they_fail():
    repository, metrics = FakeRepository(due={"messages": 0.0, "objects": 0.0}), FakeMetrics()
    storage = FakeStorage([stored(made(5000), 5000)], error=TransientError("storage", "away"))
    with pytest.raises(TransientError):
        sweep(repository, storage, metrics).run_if_due()
    assert metrics.seen == [("messages", "done"), ("objects", "failed")]


@pytest.mark.parametrize(
    "due", [(), ("messages",), ("objects",), ("retention",), ("messages", "objects", "retention")]
)
def test_run_if_due_runs_only_the_sweeps_that_are_due(due):
    lost, orphan = made(1), stored(made(5000), 5000)
    repository = FakeRepository(due=dict.fromkeys(due, 0.0), lost=[[lost]])
    storage, retention = FakeStorage([orphan]), FakeRetention()
    sweep(repository, storage, retention=retention).run_if_due()
    assert retention.runs == [30.0] * ("retention" in due)
    assert (("queue", lost) in repository.calls) == ("messages" in due)
    assert (("undos",) in repository.calls) == ("messages" in due)
    assert (("delete", KEPT) in repository.calls) == ("messages" in due)
    assert storage.removed == [orphan.name] * ("objects" in due)
    assert {call for call in repository.calls if call[0] == "begin"} == {
        ("begin", "messages", 60.0), ("begin", "retention", 60.0), ("begin", "objects", 3600.0),
    }  # fmt: skip
