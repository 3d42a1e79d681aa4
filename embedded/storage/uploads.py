"""Resumable uploads in progress: what has arrived, what is to come, who may write."""

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

LIFETIME = 24 * 3600
DRAIN = 3.0
LOCK_PATIENCE = 5.0


@dataclass
class Upload:
    """One upload. ``size`` is None until the client declares it."""

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
        """When an unfinished upload is given up, in seconds since 1970."""
        return self.created + LIFETIME


class Turn:
    """One request's time alone with an upload; it should be short once others wait."""

    def __init__(self) -> None:
        self._receiving: asyncio.Timeout | None = None
        self._wanted_until: float | None = None

    def ask_to_leave(self) -> None:
        """Give the request a little longer to receive what is on its way."""
        if self._wanted_until is None:
            self._wanted_until = asyncio.get_running_loop().time() + DRAIN
            if self._receiving is not None:
                self._receiving.reschedule(self._wanted_until)

    @contextlib.asynccontextmanager
    async def receiving(self) -> AsyncIterator[None]:
        """Receive bytes; ended by TimeoutError if another request wants the upload."""
        async with asyncio.timeout_at(self._wanted_until) as receiving:
            self._receiving = receiving
            try:
                yield
            finally:
                self._receiving = None


class Writing:
    """The right to change one upload, for one request at a time.

    As with the real one, a newcomer asks the holder to leave: a client that reconnects
    would else wait for its own dead connection.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._holder = Turn()

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[Turn]:
        """Wait for one's turn and hold it."""
        if self._lock.locked():
            self._holder.ask_to_leave()
        try:
            await asyncio.wait_for(self._lock.acquire(), LOCK_PATIENCE)
        except TimeoutError:
            raise errors.tus(423, "acquiring lock timeout") from None
        try:
            self._holder = Turn()
            yield self._holder
        finally:
            self._lock.release()


class Uploads:
    """All uploads under one folder, for one process."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._uploads: dict[str, Upload] = {}
        self._writing: dict[str, Writing] = {}

    def load(self) -> None:
        """Go on with what earlier runs left, and forget what is too old."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for record in self._root.glob("*.json"):
            upload = Upload(**json.loads(record.read_text("utf-8")))
            if upload.expires < time.time():
                _unlink(record, self.bytes_of(upload))
                continue
            if not self.bytes_of(upload).exists():
                upload.done = True  # only the finish moves them; its note was not written
            self._uploads[upload.version] = upload

    async def add(self, upload: Upload) -> None:
        """Begin an upload."""
        await asyncio.to_thread(self.bytes_of(upload).touch)
        try:
            await self.save(upload)
        except OSError:
            await asyncio.to_thread(self.bytes_of(upload).unlink)
            raise
        self._uploads[upload.version] = upload

    async def save(self, upload: Upload) -> None:
        """Keep what has changed of an upload."""
        record = json.dumps(asdict(upload))
        await asyncio.to_thread(write_private, self._record(upload), record)

    async def remove(self, upload: Upload) -> None:
        """Give an upload up."""
        self._uploads.pop(upload.version, None)
        self._writing.pop(upload.version, None)
        await asyncio.to_thread(_unlink, self._record(upload), self.bytes_of(upload))

    def find(self, url_id: str) -> Upload:
        """The upload that an URL names."""
        path = _decoded(url_id)
        found = self._uploads.get(path.rpartition("/")[2])
        if found is None or path != f"{found.bucket}/{found.name}/{found.version}":
            raise errors.no_such_upload()
        return found

    async def offset(self, upload: Upload) -> int:
        """How many bytes have arrived: the file itself knows, also after a crash."""
        if upload.done:
            return upload.size or 0
        return (await asyncio.to_thread(self.bytes_of(upload).stat)).st_size

    def writing(self, upload: Upload) -> Writing:
        """The lock of an upload."""
        return self._writing.setdefault(upload.version, Writing())

    def bytes_of(self, upload: Upload) -> Path:
        """Where the bytes arrive."""
        return self._root / f"{upload.version}.bytes"

    def _record(self, upload: Upload) -> Path:
        return self._root / f"{upload.version}.json"


def _decoded(url_id: str) -> str:
    try:
        return base64.urlsafe_b64decode(url_id + "=" * (-len(url_id) % 4)).decode()
    except ValueError as error:
        raise errors.no_such_upload() from error


def _unlink(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
