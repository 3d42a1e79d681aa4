"""The buckets and objects: in memory, and on disk as small JSON files.

Object names are never used as file names: the record of an object is named by a hash, and its bytes
by a version that is new for each upload. So a reader of an older version continues undisturbed
while the object is replaced.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from embedded.files import write_beside, write_private
from embedded.storage import errors

# From Storage's documentation of file names.
OBJECT_NAME = re.compile(r"[\w/!.*'() &$=@;:+,?-]+", re.ASCII)
BUCKET_NAME = re.compile(r"[\w!.*'() &$=@;:+,?-]{1,100}", re.ASCII)


def now() -> str:
    """Return the current time in the format of Storage."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Stored:
    """An object; ``version`` is the name of the file with its bytes."""

    bucket: str
    name: str
    version: str
    size: int
    content_type: str
    cache_control: str
    user_metadata: dict[str, Any] | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)

    @property
    def etag(self) -> str:
        """The entity tag, which differs between versions."""
        return f'"{uuid.UUID(self.version).hex}"'


@dataclass
class Bucket:
    """A bucket and its limits, with the objects in it by name."""

    id: str
    public: bool = False
    file_size_limit: int | None = None
    allowed_mime_types: list[str] | None = None
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)
    objects: dict[str, Stored] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        """Return the bucket as clients see it."""
        return {**self.facts(), "name": self.id, "owner": ""}

    def facts(self) -> dict[str, Any]:
        """Return the bucket without its objects."""
        facts = asdict(replace(self, objects={}))
        del facts["objects"]
        return facts

    def find(self, name: str) -> Stored:
        """Return an object by its name. Raises StorageError if there is none."""
        try:
            return self.objects[valid_name(name)]
        except KeyError:
            raise errors.no_such_key() from None


class Catalog:
    """All buckets in a folder, which only one process may use.

    Changes are made on disk first, in a thread, and then in memory, on the event loop.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._buckets: dict[str, Bucket] = {}
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()

    @property
    def arrivals(self) -> Path:
        """The folder for incomplete uploads, on the same disk, so that a rename completes them."""
        return self._root / "arrivals"

    def load(self) -> None:
        """Read the buckets and objects, and remove incomplete ones."""
        self.arrivals.mkdir(mode=0o700, parents=True, exist_ok=True)
        for unfinished in self.arrivals.iterdir():
            unfinished.unlink()
        for record in self._root.glob("buckets/*/bucket.json"):
            bucket = Bucket(**json.loads(record.read_text("utf-8")))
            bucket.objects = _objects_in(record.parent)
            self._buckets[bucket.id] = bucket

    def buckets(self) -> list[Bucket]:
        """All buckets, by name."""
        return sorted(self._buckets.values(), key=lambda bucket: bucket.id)

    def bucket(self, name: str) -> Bucket:
        """Return a bucket by its name. Raises StorageError if there is none."""
        if not BUCKET_NAME.fullmatch(name):
            raise errors.invalid_bucket_name()
        if (found := self.known(name)) is None:
            raise errors.no_such_bucket()
        return found

    def known(self, name: str) -> Bucket | None:
        """Return a bucket by its name, None if there is none."""
        return self._buckets.get(name)

    async def add_bucket(self, bucket: Bucket) -> None:
        """Create a bucket. Raises StorageError if it exists."""
        if not BUCKET_NAME.fullmatch(bucket.id) or bucket.id != bucket.id.strip():
            raise errors.invalid_bucket_name()
        async with self._lock_of(self._folder(bucket.id)):
            if bucket.id in self._buckets:
                raise errors.already_exists("BucketAlreadyExists")
            await asyncio.to_thread(_make_bucket, self._folder(bucket.id), bucket)
            self._buckets[bucket.id] = bucket

    async def change_bucket(self, bucket: Bucket) -> None:
        """Save the changed limits of a bucket."""
        async with self._lock_of(self._folder(bucket.id)):
            await asyncio.to_thread(_write_bucket, self._folder(bucket.id), bucket)
            self._buckets[bucket.id] = bucket

    async def remove_bucket(self, name: str) -> None:
        """Remove an empty bucket."""
        async with self._lock_of(self._folder(name)):
            if self.bucket(name).objects:
                raise errors.bucket_not_empty()
            del self._buckets[name]
            await asyncio.to_thread(shutil.rmtree, self._folder(name))

    async def put(self, stored: Stored, arrived: Path) -> Stored:
        """Make a complete file an object of that name, and replace any other.

        Raises OSError if the disk is full; the file is not moved then.
        """
        record = self._record(stored)
        async with self._lock_of(record):
            bucket = self.bucket(stored.bucket)
            former = bucket.objects.get(stored.name)
            kept = _new_version(stored, former)
            fresh = await _both_on_disk(arrived, record, kept)
            await asyncio.to_thread(_keep, arrived, self.bytes_of(kept), fresh, record)
            bucket.objects[kept.name] = kept
        if former is not None:
            await asyncio.to_thread(self.bytes_of(former).unlink, missing_ok=True)
        return kept

    async def copy(self, source: Stored, target: Stored) -> Stored:
        """Make a new object of another's bytes, and replace any of that name.

        Raises StorageError if the source has been replaced or removed meanwhile.
        """
        async with self._duplicate(source) as arrived:
            copied = replace(target, version=arrived.name, id=str(uuid.uuid4()))
            return await self.put(copied, arrived)

    async def move(self, source: Stored, target: Stored) -> Stored:
        """Give an object another name or bucket; its id stays.

        Raises StorageError if there is an object of that name.
        """
        records = {self._record(source), self._record(target)}
        if len(records) == 1:
            return source
        async with contextlib.AsyncExitStack() as locks:
            for record in sorted(records):  # always in the same order, so that none waits forever
                await locks.enter_async_context(self._lock_of(record))
            bucket = self.bucket(target.bucket)
            if target.name in bucket.objects:
                raise errors.already_exists("ResourceAlreadyExists")
            if self.bucket(source.bucket).objects.get(source.name) != source:
                raise errors.no_such_key()
            async with self._duplicate(source) as arrived:
                moved = replace(target, version=arrived.name, updated_at=now())
                place, record = self.bytes_of(moved), self._record(moved)
                fresh = await asyncio.to_thread(write_beside, record, _text_of(moved))
                await asyncio.to_thread(_keep, arrived, place, fresh, record)
            bucket.objects[moved.name] = moved
            del self.bucket(source.bucket).objects[source.name]
            await asyncio.to_thread(_unlink, self._record(source), self.bytes_of(source))
        return moved

    @contextlib.asynccontextmanager
    async def _duplicate(self, source: Stored) -> AsyncIterator[Path]:
        """Give the bytes of an object a second name, for the block to move to its place.

        No version's bytes ever change, so both may have the same. Raises StorageError if the
        source has been replaced or removed meanwhile.
        """
        arrived = self.arrivals / str(uuid.uuid4())
        try:
            await asyncio.to_thread(os.link, self.bytes_of(source), arrived)
        except FileNotFoundError:
            raise errors.no_such_key() from None
        try:
            yield arrived
        finally:
            await asyncio.to_thread(arrived.unlink, missing_ok=True)

    async def remove(self, bucket: Bucket, name: str) -> Stored | None:
        """Remove an object and return it, None if there is none."""
        record = self._folder(bucket.id) / "objects" / _record_name(name)
        async with self._lock_of(record):
            stored = bucket.objects.pop(name, None)
            if stored is not None:
                await asyncio.to_thread(_unlink, record, self.bytes_of(stored))
        return stored

    def bytes_of(self, stored: Stored) -> Path:
        """Return the file with the bytes of an object."""
        return self._folder(stored.bucket) / "bytes" / stored.version

    def _lock_of(self, of: Path) -> asyncio.Lock:
        """Return the lock for changes to one bucket or object."""
        return self._locks.setdefault(of, asyncio.Lock())

    def _folder(self, bucket: str) -> Path:
        return self._root / "buckets" / _hashed(bucket)

    def _record(self, stored: Stored) -> Path:
        return self._folder(stored.bucket) / "objects" / _record_name(stored.name)


def valid_name(name: str) -> str:
    """Return the name of an object. Raises StorageError if Storage does not accept it."""
    if not OBJECT_NAME.fullmatch(name):
        raise errors.invalid_key(name)
    return name


def _hashed(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:32]


def _record_name(name: str) -> str:
    return f"{_hashed(name)}.json"


def _objects_in(folder: Path) -> dict[str, Stored]:
    records = (folder / "objects").glob("*.json")
    found = [Stored(**json.loads(record.read_text("utf-8"))) for record in records]
    versions = {stored.version for stored in found}
    for path in (folder / "bytes").iterdir():
        if path.name not in versions:
            path.unlink()
    return {stored.name: stored for stored in found}


def _make_bucket(folder: Path, bucket: Bucket) -> None:
    for inner in ("objects", "bytes"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    _write_bucket(folder, bucket)


def _write_bucket(folder: Path, bucket: Bucket) -> None:
    write_private(folder / "bucket.json", json.dumps(bucket.facts()))


def _to_disk(path: Path) -> None:
    """Sync the bytes: an acknowledged object must survive a power failure."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _new_version(stored: Stored, former: Stored | None) -> Stored:
    """Return a new version of an object, which keeps the id and the creation time."""
    if former is None:
        return stored
    return replace(stored, id=former.id, created_at=former.created_at)


def _text_of(stored: Stored) -> str:
    return json.dumps(asdict(stored))


async def _both_on_disk(arrived: Path, record: Path, stored: Stored) -> Path:
    """Sync an object's bytes and its new record, at the same time; returns where the latter is.

    Raises OSError, and leaves no record then.
    """
    synced, fresh = await asyncio.gather(
        asyncio.to_thread(_to_disk, arrived),
        asyncio.to_thread(write_beside, record, _text_of(stored)),
        return_exceptions=True,
    )
    if isinstance(fresh, BaseException):
        raise fresh
    if synced is not None:
        await asyncio.to_thread(fresh.unlink)
        raise synced
    return fresh


def _keep(arrived: Path, place: Path, fresh: Path, record: Path) -> None:
    arrived.replace(place)
    try:
        fresh.replace(record)
    except OSError:
        place.replace(arrived)
        raise


def _unlink(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
