"""Fakes of Storage and of the repository."""

from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from core.errors import PermanentError, StorageConflictError, TransientError
from core.supabase.storage_shared import Progress
from service.repository import ExistingImport, NewImport

Fault = Callable[[], Awaitable[None]]


def away(part: str = "storage", *, not_committed: bool = False) -> TransientError:
    """An error that may be retried at once, so that tests need not wait."""
    return TransientError(
        part, "is unavailable", code="unreachable", retry_after=0, not_committed=not_committed
    )


def conflict() -> StorageConflictError:
    return StorageConflictError("storage", "The resource already exists", retry_after=0)


def refused(part: str = "storage") -> PermanentError:
    return PermanentError(part, "may not", code="AccessDenied", status=403)


class FakeStorage:
    """Storage in memory, which handles each request as the real one does, or fails as scripted.

    ``faults[method]`` is a queue of what the next calls do: None is no fault; an exception comes
    instead of the work; ``Lost`` comes after it; ``Cut(n)`` after n bytes of it.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, bytearray] = {}
        self.lengths: dict[str, int] = {}
        self.names: dict[str, str] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.faults: dict[str, deque[Any]] = {}
        self.always: dict[str, Exception] = {}
        self.before_append: Fault | None = None
        self.delivered = 0

    @property
    def is_empty(self) -> bool:
        return not self.objects and not self.uploads

    def count(self, method: str) -> int:
        return Counter(call[0] for call in self.calls)[method]

    async def put(self, name: str, content: memoryview, content_type: str) -> None:
        fault = self._fault("put", name, len(content), content_type)
        if name in self.objects:
            raise conflict()
        self.objects[name] = fault.bytes if isinstance(fault, Garbled) else bytes(content)
        self._after(fault)

    async def holds(self, name: str, content: memoryview) -> bool:
        self._fault("holds", name)
        if name not in self.objects:
            raise conflict()
        return self.objects[name] == content

    async def size(self, name: str) -> int | None:
        self._fault("size", name)
        return len(self.objects[name]) if name in self.objects else None

    async def remove(self, name: str) -> None:
        fault = self._fault("remove", name)
        self.objects.pop(name, None)
        self._after(fault)

    async def create_upload(self, name: str, content_type: str) -> str:
        fault = self._fault("create_upload", name, content_type)
        if name in self.objects:
            raise PermanentError("storage", "The resource already exists", code="name_taken")
        path = f"upload-{len(self.names)}"
        self.uploads[path], self.names[path] = bytearray(), name
        self._after(fault)
        return path

    async def append(
        self, upload: str, offset: int, content: memoryview, *, length: int | None
    ) -> None:
        if self.before_append:
            await self.before_append()
        fault = self._fault("append", offset, len(content), length)
        if upload not in self.uploads or offset != len(self.uploads[upload]):
            raise conflict()
        taken = content[: fault.bytes] if isinstance(fault, Cut) else content
        self.uploads[upload] += taken
        self.delivered += len(taken)
        if length is not None and not isinstance(fault, LengthLost):
            self.lengths[upload] = length
        if len(self.uploads[upload]) == self.lengths.get(upload) and not isinstance(
            fault, ObjectLost
        ):
            self.objects[self.names[upload]] = bytes(self.uploads.pop(upload))
        self._after(fault)

    async def progress(self, upload: str) -> Progress:
        fault = self._fault("progress")
        if isinstance(fault, Progress):
            return fault
        if upload not in self.uploads:
            size = len(self.objects[self.names[upload]])
            return Progress(size, length=size)
        return Progress(len(self.uploads[upload]), self.lengths.get(upload))

    async def cancel_upload(self, upload: str) -> None:
        fault = self._fault("cancel_upload")
        whole = upload in self.uploads and len(self.uploads[upload]) == self.lengths.get(upload)
        if self.names[upload] in self.objects or whole:
            raise conflict()
        self.uploads.pop(upload, None)
        self._after(fault)

    def _fault(self, method: str, *arguments: Any) -> Any:
        self.calls.append((method, *arguments))
        script = self.faults.get(method)
        fault = script.popleft() if script else self.always.get(method)
        if isinstance(fault, Exception) and not isinstance(fault, Lost | Cut):
            raise fault
        return fault

    def _after(self, fault: Any) -> None:
        if isinstance(fault, Lost | Cut):
            raise away()


class Lost(Exception):  # noqa: N818
    """The work was done, but its answer never came."""


class Garbled(Lost):
    """Other bytes were stored than were sent, and the answer never came."""

    def __init__(self, stored: bytes) -> None:
        self.bytes = stored


class LengthLost(Lost):
    """All bytes were taken, but not that these are all."""


class ObjectLost(Lost):
    """All bytes were taken, but Storage died before it made an object of them."""


class Cut(Exception):  # noqa: N818
    """The connection broke after some bytes."""

    def __init__(self, taken: int) -> None:
        self.bytes = taken


class FakeRepository:
    """A repository in memory, which may be made to fail."""

    def __init__(self, *, error: Exception | None = None, records_first: bool = False) -> None:
        self.imports: dict[UUID, NewImport] = {}
        self.uploads: set[str] = set()
        self.discarded: list[UUID] = []
        self.discard_error: Exception | None = None
        self.begun = False
        self._error = error
        self._records_first = records_first

    async def create_import(self, new: NewImport) -> ExistingImport | None:
        earlier = await self.join_import(new) if new.request.idempotency_key else None
        if earlier is None and (self._error is None or self._records_first):
            self.imports[new.id] = new
        if self._error is not None:
            raise self._error
        return earlier

    async def note_upload(self, path: str, *, seconds: float | None = None) -> None:
        self.uploads.add(path)

    async def forget_upload(self, path: str, *, seconds: float) -> None:
        self.uploads.discard(path)

    async def has_import(self, key: str) -> bool:
        return any(new.request.idempotency_key == key for new in self.imports.values())

    async def join_import(self, new: NewImport) -> ExistingImport | None:
        key = new.request.idempotency_key
        for earlier in self.imports.values():
            if earlier.request.idempotency_key == key:
                return ExistingImport(earlier.id, earlier.fingerprint == new.fingerprint)
        return None

    async def discard_import(self, import_id: UUID, seconds: float) -> bool:
        self.discarded.append(import_id)
        if self.discard_error is not None:
            raise self.discard_error
        if not self.begun:
            self.imports.pop(import_id, None)
        return self.begun
