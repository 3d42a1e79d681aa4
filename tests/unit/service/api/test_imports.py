"""What handlers answer by themselves; all else is told by the contract tests."""

import asyncio
import json
from unittest.mock import AsyncMock, Mock

import pytest
from aiohttp import ClientConnectionResetError, HttpVersion, HttpVersion10, HttpVersion11, web
from aiohttp.http_writer import StreamWriter
from aiohttp.test_utils import make_mocked_request

from core.errors import PermanentError, TransientError
from service.api.imports import Handlers
from service.api.readiness import StorageCheck
from service.intake.accept import Intake
from service.intake.request import Limits
from service.metrics import ServiceMetrics
from service.problems import ProblemError
from service.repository import Repository

HEADERS = {"Content-Type": "application/json"}


@pytest.fixture
def repository() -> Mock:
    return AsyncMock(spec=Repository)


@pytest.fixture
def storage() -> Mock:
    return AsyncMock(spec=StorageCheck)


@pytest.fixture
def intake() -> Mock:
    return AsyncMock(spec=Intake, draining=False, running=0)


@pytest.fixture
def handlers(intake: Mock, repository: Mock, storage: Mock) -> Handlers:
    limits = Limits(100, 100, 100)
    return Handlers(
        intake=intake,
        repository=repository,
        storage=storage,
        metrics=ServiceMetrics(),
        limits=limits,
    )


async def test_nothing_new_is_taken_while_stopping(handlers, intake):
    intake.draining = True
    with pytest.raises(ProblemError) as caught:
        await handlers.accept(make_mocked_request("POST", "/import", headers=HEADERS))
    assert (caught.value.code, caught.value.status) == ("shutting_down", 503)
    assert caught.value.headers["Retry-After"]
    intake.accept.assert_not_called()


async def test_no_more_is_taken_than_there_is_room_for(handlers, intake):
    intake.running = 50
    with pytest.raises(ProblemError) as caught:
        await handlers.accept(make_mocked_request("POST", "/import", headers=HEADERS))
    assert (caught.value.code, caught.value.status) == ("too_many_uploads", 503)
    assert caught.value.headers["Retry-After"]
    intake.accept.assert_not_called()


def expecting(version: HttpVersion, **headers: str) -> tuple[web.Request, Mock]:
    writer = AsyncMock(spec=StreamWriter)
    sent = HEADERS | {"Expect": "100-continue"} | headers
    return make_mocked_request("POST", "/", sent, version=version, writer=writer), writer


@pytest.mark.parametrize(("version", "told"), [(HttpVersion10, 0), (HttpVersion11, 1)])
async def test_only_clients_that_know_of_it_are_told_to_go_on(handlers, version, told):
    request, writer = expecting(version)
    assert await handlers.expect(request) is None
    assert writer.write.await_count == told


async def test_a_refusal_comes_instead_of_the_word_to_go_on(handlers):
    request, writer = expecting(HttpVersion11, **{"Content-Type": "text/html"})
    answer = await handlers.expect(request)
    assert (answer.status, answer.content_type) == (415, "application/problem+json")
    writer.write.assert_not_awaited()


async def test_a_client_that_left_before_the_word_to_go_on_is_no_fault_of_ours(handlers):
    request, writer = expecting(HttpVersion11)
    writer.write.side_effect = ClientConnectionResetError("Cannot write to closing transport")
    answer = await handlers.expect(request)
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "truncated_body")


@pytest.mark.parametrize(
    "error", [TransientError("storage", "x"), PermanentError("storage", "x"), TimeoutError()]
)
async def test_what_is_away_is_named(handlers, storage, error):
    storage.side_effect = error
    with pytest.raises(ProblemError) as caught:
        await handlers.ready(make_mocked_request("GET", "/readyz"))
    assert caught.value.code == "storage_unavailable"
    assert caught.value.extra["checks"] == {"storage": "away", "database": "ok"}


async def test_both_are_asked_at_the_same_time(handlers, storage, repository):
    both = asyncio.Barrier(2)
    storage.side_effect = repository.check.side_effect = both.wait
    answer = await handlers.ready(make_mocked_request("GET", "/readyz"))
    assert answer.status == 200
