"""Upload: one object to a Storage that fails in every possible way."""

import asyncio
from collections import deque

import pytest
import tenacity

from core.errors import PermanentError, TransientError
from core.supabase import retry as retrying
from core.supabase.storage_shared import Progress
from service.intake import object_upload
from service.intake.buffers import CHUNK_BYTES, BufferBudget
from service.intake.object_upload import Upload
from tests.unit.service.fakes import (
    Cut,
    FakeStorage,
    Garbled,
    LengthLost,
    Lost,
    ObjectLost,
    away,
    conflict,
    refused,
)

MIB = 2**20
NAME = "import-1.json"
SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 1]
RESUMABLE = [size for size in SIZES if size > CHUNK_BYTES]


def content_of(size: int) -> bytes:
    """Bytes that differ from chunk to chunk and within each."""
    pattern = bytes(range(251))
    return (pattern * (size // 251 + 1))[:size]


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried at once."""
    monkeypatch.setattr(retrying, "_backoff", tenacity.wait_none())


@pytest.fixture
def storage() -> FakeStorage:
    return FakeStorage()


class FakeRegistry:
    """Knows the paths of running uploads; ``errors`` are raised by the next calls, in turn."""

    def __init__(self, *errors: Exception) -> None:
        self.running: set[str] = set()
        self.noted: list[str] = []
        self.errors = deque(errors)

    async def note_upload(self, path: str, *, seconds: float | None = None) -> None:
        if self.errors:
            raise self.errors.popleft()
        self.running.add(path)
        self.noted.append(path)

    async def forget_upload(self, path: str, *, seconds: float) -> None:
        if self.errors:
            raise self.errors.popleft()
        self.running.discard(path)


def upload_to(
    storage: FakeStorage,
    deadline: float = 30,
    chunks: int = 1,
    registry: FakeRegistry | None = None,
) -> Upload:
    return Upload(
        storage,  # type: ignore[arg-type]
        registry or FakeRegistry(),
        NAME,
        "application/json",
        budget=BufferBudget(chunks),
        deadline=deadline,
    )


async def send(upload: Upload, content: bytes, step: int = 64 * 1024) -> None:
    for start in range(0, len(content), step):
        await upload.write(content[start : start + step])
    await upload.finish()
    await upload.forget()


async def until_idle() -> None:
    """Let all tasks run on until each waits for something that only the test can do."""
    for _ in range(2000):
        await asyncio.sleep(0)


@pytest.mark.parametrize("step", [64 * 1024, 100_003, 20 * MIB])
@pytest.mark.parametrize("size", SIZES)
async def test_the_object_is_what_was_written(storage, size, step):
    await send(upload_to(storage), content_of(size), step)
    assert storage.objects == {NAME: content_of(size)}
    assert not storage.uploads


@pytest.mark.parametrize("size", [size for size in SIZES if size not in RESUMABLE])
async def test_an_object_up_to_one_chunk_is_a_single_request(storage, size):
    await send(upload_to(storage), content_of(size))
    assert storage.calls == [("put", NAME, size, "application/json")]


@pytest.mark.parametrize("size", [*RESUMABLE, 3 * CHUNK_BYTES - 1])
async def test_a_larger_object_is_a_resumable_upload_in_chunks_of_exactly_six_mib(storage, size):
    await send(upload_to(storage), content_of(size))
    create, *appends = storage.calls
    assert create == ("create_upload", NAME, "application/json")
    starts = range(0, size, CHUNK_BYTES)
    lengths = [min(CHUNK_BYTES, size - start) for start in starts]
    declared = [None] * (len(lengths) - 1) + [size]
    sent = zip(starts, lengths, declared, strict=True)
    assert appends == [("append", *arguments) for arguments in sent]


async def test_a_resumable_upload_is_recorded_before_its_first_bytes(storage):
    registry = FakeRegistry()
    noted: list[set[str]] = []

    async def look() -> None:
        noted.append(set(registry.running))

    storage.before_append = look
    await send(upload_to(storage, registry=registry), content_of(2 * CHUNK_BYTES))
    assert noted
    assert all(len(running) == 1 for running in noted)
    assert not registry.running
    assert len(registry.noted) == 1


async def test_a_standard_upload_is_not_recorded(storage):
    registry = FakeRegistry()
    await send(upload_to(storage, registry=registry), content_of(CHUNK_BYTES))
    assert not registry.noted


async def test_an_upload_is_not_begun_without_its_record(storage):
    registry = FakeRegistry(*[away("database")] * 10_000)
    upload = upload_to(storage, deadline=0.2, registry=registry)
    with pytest.raises(TransientError):
        await send(upload, content_of(2 * CHUNK_BYTES))
    assert storage.count("append") == 0
    await upload.rollback(1)
    assert storage.is_empty


async def test_an_upload_that_is_rolled_back_is_forgotten(storage):
    registry = FakeRegistry()
    upload = upload_to(storage, registry=registry)
    await upload.write(content_of(3 * CHUNK_BYTES))
    assert registry.running
    await upload.rollback(1)
    assert not registry.running
    assert storage.is_empty


async def test_an_upload_that_cannot_be_cancelled_stays_recorded_for_the_sweep(storage):
    registry = FakeRegistry()
    upload = upload_to(storage, registry=registry)
    await upload.write(content_of(3 * CHUNK_BYTES))
    storage.always["cancel_upload"] = away()
    with pytest.raises(TransientError):
        await upload.rollback(0.2)
    assert registry.running


async def test_a_long_upload_is_recorded_again_and_a_database_that_is_away_does_not_stop_it(
    storage, monkeypatch
):
    monkeypatch.setattr(object_upload, "UPLOAD_SEEN_EVERY", 0.0)
    registry = FakeRegistry()
    upload = upload_to(storage, registry=registry)
    await upload.write(content_of(2 * CHUNK_BYTES))
    await until_idle()
    registry.errors.append(away("database"))
    await upload.write(content_of(2 * CHUNK_BYTES))
    await upload.finish()
    await upload.forget()
    assert len(registry.noted) >= 2
    assert not registry.running
    assert not registry.errors


@pytest.mark.parametrize(("budget", "chunks"), [(1, 2), (0, 1)])
async def test_one_chunk_is_sent_while_the_next_one_fills_if_the_budget_allows_it(
    storage, budget, chunks
):
    lock, started, taken = asyncio.Event(), asyncio.Event(), 0

    async def hold() -> None:
        started.set()
        await lock.wait()

    async def write_on() -> None:
        nonlocal taken
        for _ in range(400):
            await upload.write(bytes(64 * 1024))
            taken += 64 * 1024
        await upload.finish()

    storage.before_append = hold
    upload = upload_to(storage, chunks=budget)
    writer = asyncio.create_task(write_on())
    await started.wait()
    await until_idle()
    assert taken == chunks * CHUNK_BYTES
    lock.set()
    await writer
    assert len(storage.objects[NAME]) == 400 * 64 * 1024


async def test_at_most_two_chunks_are_in_memory(storage):
    upload, most, taken = upload_to(storage), 0, 0

    async def look() -> None:
        nonlocal most
        await until_idle()
        most = max(most, taken - storage.delivered)

    storage.before_append = look
    for _ in range(500):
        taken += 64 * 1024
        await upload.write(bytes(64 * 1024))
    await upload.finish()
    assert CHUNK_BYTES < most <= 2 * CHUNK_BYTES + 64 * 1024


CHUNK_FAULTS = {
    "refused before the first byte": [away()],
    "cut after some bytes": [Cut(1_000_000)],
    "cut twice": [Cut(1), Cut(70_000)],
    "whole, the answer lost": [Lost()],
    "locked by the request before": [conflict(), conflict()],
    "cut, then locked": [Cut(5), conflict(), away()],
}


@pytest.mark.parametrize("chunk", [0, 1, 2])
@pytest.mark.parametrize("faults", CHUNK_FAULTS.values(), ids=CHUNK_FAULTS)
async def test_a_chunk_is_resumed_from_the_offset_of_storage(storage, faults, chunk):
    storage.faults["append"] = deque([None] * chunk + faults)
    content = content_of(2 * CHUNK_BYTES + 2_000_000)
    await send(upload_to(storage), content)
    assert storage.objects == {NAME: content}


@pytest.mark.parametrize("method", ["create_upload", "progress"])
async def test_create_upload_and_progress_are_retried(storage, method):
    storage.faults = {"append": deque([away()]), method: deque([away(), away()])}
    content = content_of(CHUNK_BYTES + 1)
    await send(upload_to(storage), content)
    assert storage.objects == {NAME: content}


async def test_a_lost_upload_length_is_sent_again(storage):
    content = content_of(CHUNK_BYTES + 5)
    storage.faults["append"] = deque([None, LengthLost()])
    await send(upload_to(storage), content)
    assert storage.calls[-1] == ("append", len(content), 0, len(content))
    assert storage.objects == {NAME: content}


async def test_an_object_that_storage_has_not_made_is_made_by_another_patch(storage):
    content = content_of(CHUNK_BYTES + 5)
    storage.faults["append"] = deque([None, ObjectLost()])
    await send(upload_to(storage), content)
    assert storage.calls[-1] == ("append", len(content), 0, None)
    assert storage.objects == {NAME: content}


async def test_an_object_that_storage_never_makes_is_an_error(storage):
    storage.faults["append"] = deque([None, ObjectLost()])
    storage.always["append"] = away()
    upload = upload_to(storage, deadline=0.05)
    with pytest.raises(TransientError):
        await send(upload, content_of(CHUNK_BYTES + 5))
    assert storage.objects == {}


@pytest.mark.parametrize("faults", [[away()], [away(), away()], [Lost()], [Lost(), away()]])
async def test_put_is_retried(storage, faults):
    storage.faults["put"] = deque(faults)
    await send(upload_to(storage), b"[1]")
    assert storage.objects == {NAME: b"[1]"}


@pytest.mark.parametrize("found", [b"another's", b"[2]", b"[1", b"[1]]", b""])
async def test_a_taken_name_is_an_error_and_its_object_stays(storage, found):
    storage.objects[NAME] = found
    upload = upload_to(storage)
    with pytest.raises(PermanentError) as raised:
        await send(upload, b"[1]")
    assert raised.value.code == "name_taken"
    await upload.rollback(1)
    assert storage.objects == {NAME: found}


async def test_nothing_is_uploaded_to_a_taken_name(storage):
    storage.objects[NAME] = b"another's"
    upload = upload_to(storage)
    with pytest.raises(PermanentError):
        await send(upload, bytes(CHUNK_BYTES + 1))
    assert storage.count("create_upload") == 1
    await upload.rollback(1)
    assert storage.objects == {NAME: b"another's"}


@pytest.mark.parametrize("content", [b"", b"[1]", content_of(CHUNK_BYTES)], ids=len)
async def test_an_equal_object_of_a_repeated_request_is_accepted(storage, content):
    """Then the very first answer is a conflict."""
    storage.objects[NAME] = content
    upload = upload_to(storage)
    await send(upload, content)
    assert storage.count("holds") == 1
    await upload.rollback(1)
    assert storage.is_empty


@pytest.mark.parametrize("stored", [b"", b"[", b"[2]", b"[1]]"])
async def test_after_a_lost_answer_another_content_is_an_error(storage, stored):
    storage.faults["put"] = deque([Garbled(stored)])
    upload = upload_to(storage)
    with pytest.raises(PermanentError) as raised:
        await send(upload, b"[1]")
    assert raised.value.code == "name_taken"
    await upload.rollback(1)
    assert storage.is_empty


async def test_holds_is_retried(storage):
    storage.faults = {"put": deque([Lost()]), "holds": deque([away(), conflict()])}
    await send(upload_to(storage), b"[1]")
    assert storage.objects == {NAME: b"[1]"}
    assert storage.count("holds") == 3


async def test_a_conflict_without_an_object_is_retried(storage):
    """A gateway's, or of a transaction that was rolled back."""
    storage.faults["put"] = deque([conflict(), conflict()])
    await send(upload_to(storage), b"[1]")
    assert storage.objects == {NAME: b"[1]"}


async def test_after_a_lost_answer_another_length_is_an_error(storage):
    content = content_of(CHUNK_BYTES + 5)
    storage.faults["append"] = deque([None, Lost()])

    async def shorter(name):
        return len(content) - 1

    storage.size = shorter
    upload = upload_to(storage)
    with pytest.raises(PermanentError) as raised:
        await send(upload, content)
    assert raised.value.code == "name_taken"
    await upload.rollback(5)
    assert storage.is_empty


async def test_another_upload_length_is_an_error(storage):
    storage.faults["append"] = deque([None, away()])
    storage.faults["progress"] = deque([Progress(CHUNK_BYTES, length=CHUNK_BYTES + 6)])
    with pytest.raises(PermanentError) as raised:
        await send(upload_to(storage), content_of(CHUNK_BYTES + 5))
    assert raised.value.code == "lost"


@pytest.mark.parametrize("offset", [0, CHUNK_BYTES - 1, 2 * CHUNK_BYTES + 1])
async def test_an_impossible_offset_is_an_error(storage, offset):
    """Storage lost bytes it had, or has some that we never sent: nothing can be made good."""
    storage.faults["append"] = deque([None, away()])
    storage.faults["progress"] = deque([Progress(offset, length=None)])
    with pytest.raises(PermanentError):
        await send(upload_to(storage), content_of(3 * CHUNK_BYTES))
    assert storage.count("append") == 2


@pytest.mark.parametrize("method", ["put", "create_upload", "append"])
@pytest.mark.parametrize(
    ("error", "caught"), [(away(), TransientError), (refused(), PermanentError)]
)
async def test_after_a_lasting_error_rollback_leaves_nothing(storage, method, error, caught):
    storage.always[method] = error
    upload = upload_to(storage, deadline=0.05)
    size = 10 if method == "put" else 5 * CHUNK_BYTES
    with pytest.raises(caught) as raised:
        await send(upload, content_of(size))
    assert type(raised.value) is type(error)
    assert storage.count(method) == 1 or caught is TransientError
    await upload.rollback(1)
    assert storage.is_empty


async def test_an_error_is_raised_by_the_next_write(storage):
    storage.always["append"] = refused()
    upload = upload_to(storage)
    await upload.write(bytes(CHUNK_BYTES + 1))
    await until_idle()
    with pytest.raises(PermanentError):
        await upload.write(b"1")
    await upload.rollback(1)


@pytest.mark.parametrize("size", [10, CHUNK_BYTES + 1])
async def test_a_storage_that_hangs_is_a_timeout(storage, size):
    """Tells nothing of how soon, only that it ends."""

    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    storage.put = hang
    storage.before_append = hang
    upload = upload_to(storage, deadline=0.05)
    with pytest.raises(TransientError):
        await send(upload, content_of(size))
    await upload.rollback(1)
    assert storage.is_empty


async def test_rollback_without_requests_sends_none(storage):
    upload = upload_to(storage)
    await upload.write(b"[1")
    await upload.rollback(1)
    assert storage.calls == []


@pytest.mark.parametrize("size", [10, CHUNK_BYTES, CHUNK_BYTES + 1])
async def test_rollback_removes_a_finished_object(storage, size):
    upload = upload_to(storage)
    await send(upload, content_of(size))
    await upload.rollback(1)
    assert storage.is_empty


async def test_rollback_cancels_the_chunk_that_is_sent(storage):
    started, hung = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            hung.set()

    storage.before_append = hang
    upload = upload_to(storage)
    await upload.write(bytes(CHUNK_BYTES + 1))
    await started.wait()
    await upload.rollback(1)
    assert hung.is_set()
    assert storage.is_empty


@pytest.mark.parametrize("size", [10, CHUNK_BYTES + 1])
async def test_rollback_removes_an_object_whose_answer_was_lost(storage, size):
    """Storage refuses to end an upload that has become an object: then the object must go."""
    storage.faults["put"] = deque([Lost()])
    storage.faults["append"] = deque([None, Lost()])
    storage.always = {"put": refused(), "progress": refused()}
    upload = upload_to(storage)
    with pytest.raises(PermanentError):
        await send(upload, content_of(size))
    assert NAME in storage.objects
    await upload.rollback(1)
    assert storage.is_empty


@pytest.mark.parametrize("method", ["cancel_upload", "remove"])
async def test_rollback_is_retried(storage, method):
    storage.faults[method] = deque([away(), conflict(), Lost()])
    upload = upload_to(storage)
    await upload.write(bytes(CHUNK_BYTES + 1))
    await until_idle()
    assert storage.uploads
    await upload.rollback(5)
    assert storage.is_empty


async def test_a_failed_rollback_raises(storage):
    storage.always["cancel_upload"] = away()
    upload = upload_to(storage)
    await upload.write(bytes(CHUNK_BYTES + 1))
    await until_idle()
    with pytest.raises(TransientError):
        await upload.rollback(0.05)


async def test_rollback_waits_for_an_upload_that_is_being_created(storage):
    """Cancelled in between, nobody would know its path."""
    creating, go_on = asyncio.Event(), asyncio.Event()
    create_upload = storage.create_upload

    async def slowly(name: str, content_type: str) -> str:
        creating.set()
        await go_on.wait()
        return await create_upload(name, content_type)

    storage.create_upload = slowly
    upload = upload_to(storage)
    await upload.write(bytes(CHUNK_BYTES + 1))
    await creating.wait()
    rolling_back = asyncio.create_task(upload.rollback(5))
    await until_idle()
    go_on.set()
    await rolling_back
    assert storage.names
    assert storage.is_empty


class SlowStorage(FakeStorage):
    """Takes two MiB of a request in the time that it has."""

    async def append(self, upload, offset, content, *, length):
        whole = len(content) <= 2 * MIB
        await super().append(upload, offset, content[: 2 * MIB], length=length if whole else None)
        if not whole:
            await asyncio.Event().wait()


async def test_a_slow_storage_is_not_away_as_long_as_bytes_arrive():
    storage = SlowStorage()
    content = content_of(2 * CHUNK_BYTES)

    await send(upload_to(storage, deadline=0.2), content)

    assert storage.objects == {NAME: content}
    assert not storage.uploads
