import asyncio
import contextlib
import errno
import resource
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from embedded.storage.catalog import Bucket, Catalog, Stored
from embedded.storage.errors import StorageError


@pytest.fixture
async def catalog(tmp_path: Path) -> Catalog:
    made = Catalog(tmp_path)
    made.load()
    await made.add_bucket(Bucket("b"))
    return made


async def put(catalog: Catalog, name: str, content: bytes) -> Stored:
    version = str(uuid.uuid4())
    arrived = catalog.arrivals / version
    arrived.write_bytes(content)
    stored = Stored("b", name, version, len(content), "text/plain", "no-cache")
    return await catalog.put(stored, arrived)


def reloaded(root: Path) -> Catalog:
    again = Catalog(root)
    again.load()
    return again


@pytest.mark.parametrize("name", ["a", "../a", "../../../etc/passwd", "/", "a//b", "a/.", ".."])
async def test_names_cannot_leave_the_folder(catalog, tmp_path, name):
    stored = await put(catalog, name, b"x")
    place = catalog.bytes_of(stored)
    assert place.resolve().is_relative_to(tmp_path.resolve())
    assert reloaded(tmp_path).bucket("b").find(name) == stored


async def test_a_replaced_object_keeps_its_id_and_loses_its_bytes(catalog, tmp_path):
    first = await put(catalog, "a", b"1")
    second = await put(catalog, "a", b"22")
    assert (second.id, second.size) == (first.id, 2)
    assert not catalog.bytes_of(first).exists()
    assert catalog.bytes_of(second).read_bytes() == b"22"


@pytest.mark.parametrize("before", [True, False])
async def test_put_on_a_full_disk_changes_nothing(catalog, tmp_path, before):
    if before:
        await put(catalog, "a", b"1")
    files = sorted(tmp_path.rglob("*"))
    with _file_limit(2), pytest.raises(OSError, match="too large"):
        await put(catalog, "a", b"22")
    (arrived,) = catalog.arrivals.iterdir()
    assert arrived.read_bytes() == b"22"
    arrived.unlink()
    assert sorted(tmp_path.rglob("*")) == files
    assert ("a" in catalog.bucket("b").objects) is before


async def test_put_whose_bytes_cannot_be_synced_changes_nothing(catalog, tmp_path, monkeypatch):
    kept = await put(catalog, "a", b"1")
    files = sorted(tmp_path.rglob("*"))

    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr("embedded.storage.catalog._to_disk", fail)
    with pytest.raises(OSError, match="broken"):
        await put(catalog, "a", b"22")
    (arrived,) = catalog.arrivals.iterdir()
    arrived.unlink()
    assert sorted(tmp_path.rglob("*")) == files
    assert reloaded(tmp_path).bucket("b").find("a") == kept


@contextlib.contextmanager
def _file_limit(size):
    """Let this process write no file of more bytes, so that only the record does not fit."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_load_removes_incomplete_files(catalog, tmp_path):
    kept = await put(catalog, "a", b"1")
    lost = catalog.bytes_of(kept).with_name(str(uuid.uuid4()))
    lost.write_bytes(b"no record speaks of this")
    (catalog.arrivals / "half").write_bytes(b"x")
    again = reloaded(tmp_path)
    assert again.bucket("b").find("a") == kept
    assert not lost.exists()
    assert not list(again.arrivals.iterdir())


async def test_remove_bucket_needs_an_empty_bucket(catalog, tmp_path):
    stored = await put(catalog, "a", b"1")
    with pytest.raises(StorageError):
        await catalog.remove_bucket("b")
    assert await catalog.remove(catalog.bucket("b"), "a") == stored
    assert await catalog.remove(catalog.bucket("b"), "a") is None
    await catalog.remove_bucket("b")
    assert reloaded(tmp_path).buckets() == []


@pytest.mark.parametrize("name", ["", "a/b", " a", "x" * 101, "é"])
async def test_add_bucket_rejects_invalid_names(catalog, name):
    with pytest.raises(StorageError):
        await catalog.add_bucket(Bucket(name))


async def test_a_moved_object_is_found_again(catalog, tmp_path):
    await catalog.add_bucket(Bucket("other"))
    first = await put(catalog, "a", b"1")
    moved = await catalog.move(first, replace(first, bucket="other", name="z"))
    again = reloaded(tmp_path)
    assert again.bucket("other").find("z") == moved
    assert again.bytes_of(moved).read_bytes() == b"1"
    assert (moved.id, moved.created_at) == (first.id, first.created_at)
    assert again.bucket("b").objects == {}
    assert not catalog.bytes_of(first).exists()
    assert list(catalog.arrivals.iterdir()) == []


async def test_a_copy_outlives_its_source(catalog, tmp_path):
    first = await put(catalog, "a", b"1")
    copied = await catalog.copy(first, replace(first, name="z"))
    await catalog.remove(catalog.bucket("b"), "a")
    assert copied.id != first.id
    assert reloaded(tmp_path).bytes_of(copied).read_bytes() == b"1"


async def test_of_crossing_moves_none_waits_forever_and_nothing_is_lost(catalog):
    one, two = await put(catalog, "a", b"1"), await put(catalog, "b", b"2")
    moves = (catalog.move(one, replace(one, name="b")), catalog.move(two, replace(two, name="a")))
    async with asyncio.timeout(10):
        ends = await asyncio.gather(*moves, return_exceptions=True)
    assert [type(end) for end in ends] == [StorageError, StorageError]
    assert set(catalog.bucket("b").objects) == {"a", "b"}


async def test_of_two_moves_of_one_object_the_second_finds_nothing(catalog):
    first = await put(catalog, "a", b"1")
    moves = [catalog.move(first, replace(first, name=name)) for name in ("x", "y")]
    ends = await asyncio.gather(*moves, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["StorageError", "Stored"]
    assert len(catalog.bucket("b").objects) == 1


async def test_copy_of_an_object_that_was_just_removed(catalog):
    first = await put(catalog, "a", b"1")
    await catalog.remove(catalog.bucket("b"), "a")
    with pytest.raises(StorageError):
        await catalog.copy(first, replace(first, name="z"))
    assert list(catalog.arrivals.iterdir()) == []


@pytest.mark.parametrize("target", ["copy", "move"])
async def test_a_copy_or_move_on_a_full_disk_changes_nothing(catalog, tmp_path, target):
    first = await put(catalog, "a", b"1")
    files = sorted(tmp_path.rglob("*"))
    with _file_limit(2), pytest.raises(OSError, match="too large"):
        await getattr(catalog, target)(first, replace(first, name="z"))
    assert sorted(tmp_path.rglob("*")) == files
    assert reloaded(tmp_path).bucket("b").find("a") == first
