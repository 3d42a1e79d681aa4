import pytest

from core.errors import TransientError
from core.ids import new_import_id
from core.rejection_objects import rejections_folder
from core.retention import Retention
from tasks.maintenance.retention import Expired, RetentionSweep
from tasks.repository import ExpiredObject, ExpiredRejections
from tests.unit.tasks.fakes import FakeMetrics

ONE, TWO = new_import_id(), new_import_id()


class FakeRepository:
    """Has what is given as expired, until it is recorded as removed."""

    def __init__(self, *, objects=(), rejections=(), rows=0, imports=()):
        self.objects = [ExpiredObject(each, f"{each}.csv") for each in objects]
        self.rejections = [ExpiredRejections(each, stored) for each, stored in rejections]
        self.rows = rows
        self.imports = list(imports)
        """How many the next calls remove."""
        self.keeps = []

    def expire_objects(self, keep, max_imports):
        self.keeps.append(("objects", keep))
        return self.objects

    def objects_removed(self, imports):
        known, self.objects = self.objects, []
        return len(known)

    def expire_rejections(self, keep, max_imports):
        self.keeps.append(("rejections", keep))
        return self.rejections

    def remove_rejections(self, imports, max_rejections):
        removed = min(self.rows, max_rejections)
        self.rows -= removed
        return removed

    def rejections_removed(self, imports):
        known, self.rejections = self.rejections, []
        return len(known)

    def remove_imports(self, keep, max_imports):
        self.keeps.append(("imports", keep))
        return self.imports.pop(0) if self.imports else 0


class FakeStorage:
    def __init__(self, error=None):
        self.removed = []
        self.error = error

    def remove(self, names):
        if self.error:
            raise self.error
        self.removed += names

    def remove_folder(self, folder):
        self.removed.append(folder)


def sweep(repository, storage=None, metrics=None, retention=Retention()):  # noqa: B008 -- frozen
    return RetentionSweep(repository, storage or FakeStorage(), metrics or FakeMetrics(), retention)


def test_what_has_expired_is_removed_from_storage_and_then_recorded():
    repository = FakeRepository(
        objects=[ONE, TWO], rejections=[(ONE, True), (TWO, False)], rows=25_000, imports=[100, 7]
    )
    storage, metrics = FakeStorage(), FakeMetrics()
    found = sweep(repository, storage, metrics, Retention(imports=5)).run()
    assert found == Expired(objects=2, rejections=2, imports=107)
    assert storage.removed == [f"{ONE}.csv", f"{TWO}.csv", rejections_folder(ONE)]
    assert (repository.objects, repository.rejections, repository.rows) == ([], [], 0)
    assert metrics.seen == [
        ("expired", "objects", 2), ("expired", "rejections", 2),
        ("expired", "imports", 100), ("expired", "imports", 7),
    ]  # fmt: skip


def test_what_storage_does_not_remove_is_not_recorded():
    repository = FakeRepository(objects=[ONE])
    with pytest.raises(TransientError):
        sweep(repository, FakeStorage(TransientError("storage", "away"))).run()
    assert repository.objects != []


@pytest.mark.parametrize(
    ("retention", "keeps"),
    [
        (Retention(), {"objects": None, "rejections": None}),
        (Retention(1, 2), {"objects": 1, "rejections": 2}),
        (Retention(1, 9, 5), {"objects": 1, "rejections": 5, "imports": 5}),
    ],
)
def test_nothing_is_kept_longer_than_its_import_which_is_for_ever_unless_limited(retention, keeps):
    repository = FakeRepository()
    sweep(repository, retention=retention).run()
    assert dict(repository.keeps) == keeps


def test_a_sweep_out_of_time_leaves_the_rest_to_the_next_one():
    repository = FakeRepository(objects=[ONE], imports=[1])
    assert sweep(repository, retention=Retention(imports=5)).run(0) == Expired(0, 0, 0)
    assert repository.keeps == []
