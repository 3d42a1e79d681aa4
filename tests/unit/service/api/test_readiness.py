"""Storage is asked with a probe only once an upload has failed, and not too often."""

from unittest.mock import AsyncMock, call

import pytest

from core.errors import TransientError
from core.supabase.storage_async import AsyncStorageClient
from service.api import readiness
from service.api.readiness import StorageCheck
from tests.unit.service.fakes import away


@pytest.fixture
def storage() -> AsyncMock:
    storage = AsyncMock(spec=AsyncStorageClient, last_write_failed=False)
    storage.create_upload.return_value = "upload-1"
    return storage


async def test_nothing_is_written_while_uploads_succeed(storage):
    await StorageCheck(storage)()
    assert storage.mock_calls == [call.check()]


async def test_a_probe_is_never_finished_and_always_cancelled(storage):
    storage.last_write_failed = True
    await StorageCheck(storage)()
    _, create, append, cancel = storage.mock_calls
    assert create.args[0].endswith(".probe")
    assert append == call.append("upload-1", 0, b"?", length=None)
    assert cancel == call.cancel_upload("upload-1")


@pytest.mark.parametrize("method", ["check", "create_upload", "append"])
async def test_what_fails_is_told(storage, method):
    storage.last_write_failed = True
    getattr(storage, method).side_effect = away()
    with pytest.raises(TransientError):
        await StorageCheck(storage)()
    assert storage.cancel_upload.await_count == (method == "append")


async def test_between_two_probes_it_stays_as_it_was(storage, monkeypatch):
    storage.last_write_failed = True
    storage.append.side_effect = away()
    check = StorageCheck(storage)
    for _ in range(3):
        with pytest.raises(TransientError):
            await check()
    assert storage.append.await_count == 1
    monkeypatch.setattr(readiness.time, "monotonic", lambda: float("inf"))
    storage.append.side_effect = None
    await check()
    assert storage.append.await_count == 2
