"""Which buckets and objects there are: known in memory, kept on disk as small JSON files.

Object names never become file names: an object's record is filed under a hash of its
name, its bytes under a version that is new at each upload. A reader of an older version
so goes on undisturbed while the object is replaced.
"""

import asyncio
import hashlib
import json
import os
import re
import shutil
import uuid
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from embedded.files import write_private
from embedded.storage import errors

# The characters are a fact of Storage's interface; see its documentation of file names.
OBJECT_NAME = re.compile(r"[\w/!.*'() &$=@;:+,?-]+", re.ASCII)
BUCKET_NAME = re.compile(r"[\w!.*'() &$=@;:+,?-]{1,100}", re.ASCII)


def now() -> str:
    """The present moment as Storage writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Stored:
    """One object as it stands: ``version`` names the file that holds its bytes."""

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
        """Each version has its own."""
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
        """The bucket as clients see it."""
        return {**self.facts(), "name": self.id, "owner": "", "type": "STANDARD"}

    def facts(self) -> dict[str, Any]:
        """The bucket without what is in it."""
        facts = asdict(replace(self, objects={}))
        del facts["objects"]
        return facts

    def find(self, name: str) -> Stored:
        """The object of that name."""
        try:
            return self.objects[valid_name(name)]
        except KeyError:
            raise errors.no_such_key() from None


class Catalog:
    """All buckets under one folder, for one process.

    Memory changes on the event loop, after the disk has changed in a thread.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._buckets: dict[str, Bucket] = {}
        self._turns: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()

    @property
    def arrivals(self) -> Path:
        """Where bytes wait until they are complete: on the same disk, so a rename moves them."""
        return self._root / "arrivals"

    def load(self) -> None:
        """Read what earlier runs left, and clear away what they left unfinished."""
        self.arrivals.mkdir(mode=0o700, parents=True, exist_ok=True)
        for unfinished in self.arrivals.iterdir():
            unfinished.unlink()
        for record in self._root.glob("buckets/*/bucket.json"):
            bucket = Bucket(**json.loads(record.read_text("utf-8")))
            bucket.objects = _objects_in(record.parent)
            self._buckets[bucket.id] = bucket

    def buckets(self) -> list[Bucket]:
        """All buckets by name."""
        return sorted(self._buckets.values(), key=lambda bucket: bucket.id)

    def bucket(self, name: str) -> Bucket:
        """The bucket of that name."""
        if not BUCKET_NAME.fullmatch(name):
            raise errors.invalid_bucket_name()
        if (found := self.known(name)) is None:
            raise errors.no_such_bucket()
        return found

    def known(self, name: str) -> Bucket | None:
        """The bucket of that name, if there is one."""
        return self._buckets.get(name)

    async def add_bucket(self, bucket: Bucket) -> None:
        """Make a bucket that is not there yet."""
        if not BUCKET_NAME.fullmatch(bucket.id) or bucket.id != bucket.id.strip():
            raise errors.invalid_bucket_name()
        async with self._turn(self._folder(bucket.id)):
            if bucket.id in self._buckets:
                raise errors.already_exists("BucketAlreadyExists")
            await asyncio.to_thread(_make_bucket, self._folder(bucket.id), bucket)
            self._buckets[bucket.id] = bucket

    async def change_bucket(self, bucket: Bucket) -> None:
        """Keep a bucket's changed limits."""
        async with self._turn(self._folder(bucket.id)):
            await asyncio.to_thread(_write_bucket, self._folder(bucket.id), bucket)
            self._buckets[bucket.id] = bucket

    async def remove_bucket(self, name: str) -> None:
        """Remove an empty bucket."""
        async with self._turn(self._folder(name)):
            if self.bucket(name).objects:
                raise errors.bucket_not_empty()
            del self._buckets[name]
            await asyncio.to_thread(shutil.rmtree, self._folder(name))

    async def put(self, stored: Stored, arrived: Path) -> Stored:
        """Take a file of complete bytes in as the object of that name, in place of any other.

        Raises OSError if the disk is full; then the file is still where it was.
        """
        await asyncio.to_thread(_to_disk, arrived)
        record = self._record(stored)
        async with self._turn(record):
            bucket = self.bucket(stored.bucket)
            former = bucket.objects.get(stored.name)
            kept = _heir(stored, former)
            await asyncio.to_thread(_keep, arrived, self.bytes_of(kept), record, kept)
            bucket.objects[kept.name] = kept
        if former is not None:
            await asyncio.to_thread(self.bytes_of(former).unlink, missing_ok=True)
        return kept

    async def remove(self, bucket: Bucket, name: str) -> Stored | None:
        """Forget an object, then its bytes; None if there is no such object."""
        record = self._folder(bucket.id) / "objects" / _record_name(name)
        async with self._turn(record):
            stored = bucket.objects.pop(name, None)
            if stored is not None:
                await asyncio.to_thread(_unlink, record, self.bytes_of(stored))
        return stored

    def bytes_of(self, stored: Stored) -> Path:
        """The file that holds the object's bytes."""
        return self._folder(stored.bucket) / "bytes" / stored.version

    def _turn(self, of: Path) -> asyncio.Lock:
        """One change at a time to one thing."""
        return self._turns.setdefault(of, asyncio.Lock())

    def _folder(self, bucket: str) -> Path:
        return self._root / "buckets" / _hashed(bucket)

    def _record(self, stored: Stored) -> Path:
        return self._folder(stored.bucket) / "objects" / _record_name(stored.name)


def valid_name(name: str) -> str:
    """The object's name itself, if Storage takes it."""
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
    """Sync the bytes: what Storage has acknowledged must survive a power cut."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _heir(stored: Stored, former: Stored | None) -> Stored:
    """A replaced object keeps its id and birthday."""
    if former is None:
        return stored
    return replace(stored, id=former.id, created_at=former.created_at)


def _keep(arrived: Path, place: Path, record: Path, stored: Stored) -> None:
    arrived.replace(place)
    try:
        write_private(record, json.dumps(asdict(stored)))
    except OSError:
        place.replace(arrived)
        raise


def _unlink(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
