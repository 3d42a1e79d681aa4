"""Handlers of /readyz, and StorageCheck with its probe."""

import asyncio
from unittest.mock import AsyncMock, Mock, call

import pytest
from aiohttp.test_utils import make_mocked_request

from core.errors import PermanentError, TransientError
from core.supabase.storage_async import AsyncStorageClient
from service.api import health
from service.api.health import Health, StorageCheck
from service.metrics import ServiceMetrics
from service.problems import ProblemError
from service.repository import Repository
from tests.unit.service.fakes import away


@pytest.fixture
def storage() -> AsyncMock:
    storage = AsyncMock(spec=AsyncStorageClient, last_write_failed=False)
    storage.create_upload.return_value = "upload-1"
    return storage


async def test_storage_check_uploads_no_probe_while_uploads_succeed(storage):
    await StorageCheck(storage).check()
    assert storage.mock_calls == [call.check()]


async def test_a_probe_is_never_finished_and_always_cancelled(storage):
    storage.last_write_failed = True
    await StorageCheck(storage).check()
    _, create, append, cancel = storage.mock_calls
    assert create.args[0].endswith(".probe")
    assert append == call.append("upload-1", 0, b"?", length=None)
    assert cancel == call.cancel_upload("upload-1")


@pytest.mark.parametrize("method", ["check", "create_upload", "append"])
async def test_storage_check_raises_errors(storage, method):
    storage.last_write_failed = True
    getattr(storage, method).side_effect = away()
    with pytest.raises(TransientError):
        await StorageCheck(storage).check()
    assert storage.cancel_upload.await_count == (method == "append")


async def test_between_two_probes_the_result_stays(storage, monkeypatch):
    storage.last_write_failed = True
    storage.append.side_effect = away()
    check = StorageCheck(storage).check
    for _ in range(3):
        with pytest.raises(TransientError):
            await check()
    assert storage.append.await_count == 1
    monkeypatch.setattr(health.time, "monotonic", lambda: float("inf"))
    storage.append.side_effect = None
    await check()
    assert storage.append.await_count == 2


@pytest.fixture
def repository() -> Mock:
    return AsyncMock(spec=Repository)


@pytest.fixture
def storage_check() -> Mock:
    return AsyncMock(spec=StorageCheck)


@pytest.fixture
def handlers(repository: Mock, storage_check: Mock) -> Health:
    return Health(repository, storage_check, ServiceMetrics())


@pytest.mark.parametrize(
    "error", [TransientError("storage", "x"), PermanentError("storage", "x"), TimeoutError()]
)
async def test_readyz_names_what_is_unavailable(handlers, storage_check, error):
    storage_check.check.side_effect = error
    with pytest.raises(ProblemError) as caught:
        await handlers.readyz(make_mocked_request("GET", "/readyz"))
    assert caught.value.code == "storage_unavailable"
    assert caught.value.extra["checks"] == {"storage": "unavailable", "database": "ok"}


async def test_readyz_runs_both_checks_concurrently(handlers, storage_check, repository):
    both = asyncio.Barrier(2)
    storage_check.check.side_effect = repository.check.side_effect = both.wait
    answer = await handlers.readyz(make_mocked_request("GET", "/readyz"))
    assert answer.status == 200
