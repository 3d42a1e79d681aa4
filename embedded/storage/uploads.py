"""Resumable uploads in progress: their bytes, their length, and the lock for writers."""

import asyncio
import base64
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from embedded.files import write_private
from embedded.storage import errors
from embedded.storage.catalog import BUCKET_NAME, valid_name

LIFETIME = 24 * 3600
DRAIN = 3.0
LOCK_TIMEOUT_SECONDS = 5.0


@dataclass
class Upload:
    """An upload; ``size`` is None until the client declares it."""

    bucket: str
    name: str
    metadata: dict[str, str | None]
    size: int | None
    done: bool = False
    version: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: float = field(default_factory=time.time)

    @property
    def url_id(self) -> str:
        """The last segment of the upload's URL."""
        path = f"{self.bucket}/{self.name}/{self.version}"
        return base64.urlsafe_b64encode(path.encode()).decode().rstrip("=")

    @property
    def expires(self) -> float:
        """When an unfinished upload expires, in seconds since 1970."""
        return self.created + LIFETIME


class ExclusiveAccess:
    """A request's exclusive access to an upload; it should end soon once another waits."""

    def __init__(self) -> None:
        self._receiving: asyncio.Timeout | None = None
        self._wanted_until: float | None = None

    def ask_to_finish(self) -> None:
        """Let the request receive only what is already on its way."""
        if self._wanted_until is None:
            self._wanted_until = asyncio.get_running_loop().time() + DRAIN
            if self._receiving is not None:
                self._receiving.reschedule(self._wanted_until)

    @contextlib.asynccontextmanager
    async def receiving(self) -> AsyncIterator[None]:
        """Raise TimeoutError in the block if another request wants the upload."""
        async with asyncio.timeout_at(self._wanted_until) as receiving:
            self._receiving = receiving
            try:
                yield
            finally:
                self._receiving = None


class WriteLock:
    """The lock for changes to one upload.

    As in the real Storage, a new request asks the holder to finish: a client that reconnects would
    otherwise wait for its own dead connection.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._holder = ExclusiveAccess()

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[ExclusiveAccess]:
        """Wait for exclusive access, and have it inside the block."""
        if self._lock.locked():
            self._holder.ask_to_finish()
        try:
            await asyncio.wait_for(self._lock.acquire(), LOCK_TIMEOUT_SECONDS)
        except TimeoutError:
            raise errors.tus(423, "acquiring lock timeout") from None
        try:
            self._holder = ExclusiveAccess()
            yield self._holder
        finally:
            self._lock.release()


class Uploads:
    """All uploads in a folder, which only one process may use."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._uploads: dict[str, Upload] = {}
        self._writing: dict[str, WriteLock] = {}

    def load(self) -> None:
        """Read the uploads of earlier runs, and remove those that have expired."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for record in self._root.glob("*.json"):
            upload = Upload(**json.loads(record.read_text("utf-8")))
            if upload.expires < time.time():
                _unlink(record, self.bytes_of(upload))
                continue
            if not self.bytes_of(upload).exists():
                upload.done = True  # only a finished upload is moved; its record was not written
            self._uploads[upload.version] = upload

    async def add(self, upload: Upload) -> None:
        """Create an upload."""
        await asyncio.to_thread(self.bytes_of(upload).touch)
        try:
            await self.save(upload)
        except OSError:
            await asyncio.to_thread(self.bytes_of(upload).unlink)
            raise
        self._uploads[upload.version] = upload

    async def save(self, upload: Upload) -> None:
        """Save a changed upload."""
        record = json.dumps(asdict(upload))
        await asyncio.to_thread(write_private, self._record(upload), record)

    async def remove(self, upload: Upload) -> None:
        """Remove an upload."""
        self._uploads.pop(upload.version, None)
        self._writing.pop(upload.version, None)
        await asyncio.to_thread(_unlink, self._record(upload), self.bytes_of(upload))

    def find(self, url_id: str) -> Upload:
        """Return the upload of a URL.

        Raises StorageError if there is none, another if it is not even the id of an upload.
        """
        path = _decoded(url_id)
        found = self._uploads.get(path.rpartition("/")[2])
        if found is None or path != f"{found.bucket}/{found.name}/{found.version}":
            raise errors.no_such_upload()
        return found

    async def offset(self, upload: Upload) -> int:
        """Return the number of bytes that have arrived: the size of the file."""
        if upload.done:
            return upload.size or 0
        return (await asyncio.to_thread(self.bytes_of(upload).stat)).st_size

    def writing(self, upload: Upload) -> WriteLock:
        """Return the lock of an upload."""
        return self._writing.setdefault(upload.version, WriteLock())

    def bytes_of(self, upload: Upload) -> Path:
        """Return the file with the bytes."""
        return self._root / f"{upload.version}.bytes"

    def _record(self, upload: Upload) -> Path:
        return self._root / f"{upload.version}.json"


def _decoded(url_id: str) -> str:
    """Return bucket, object and version of an upload's id, joined with slashes."""
    try:
        path = base64.urlsafe_b64decode(url_id + "=" * (-len(url_id) % 4)).decode()
    except ValueError as error:
        raise errors.invalid_upload_id() from error
    bucket, slash, rest = path.partition("/")
    name, _, version = rest.rpartition("/")
    if not slash or not version:
        raise errors.invalid_upload_id()
    if not BUCKET_NAME.fullmatch(bucket):
        raise errors.invalid_bucket_name()
    valid_name(name)
    return path


def _unlink(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
