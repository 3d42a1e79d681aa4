"""What is answered about imports; that the database does it is told by the contract tests."""

import json
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from core.errors import InvalidTransitionError
from core.ids import job_id, new_import_id
from service.api.jobs import Jobs
from service.metrics import ServiceMetrics
from service.problems import ProblemError
from service.repository import Repository
from tests.unit.core.test_job_view import FOUND, JOB

MOVES = {"retry": "retry_import", "cancel": "cancel_import", "undo": "undo_import"}


@pytest.fixture
def repository() -> Mock:
    return AsyncMock(spec=Repository)


@pytest.fixture
def metrics() -> ServiceMetrics:
    return ServiceMetrics()


@pytest.fixture
def jobs(repository: Mock, metrics: ServiceMetrics) -> Jobs:
    return Jobs(repository, metrics)


def about(job: str = JOB) -> web.Request:
    return make_mocked_request("GET", "/", match_info={"jobId": job})


def told(answer: web.StreamResponse) -> Any:
    assert isinstance(answer, web.Response)
    return json.loads(answer.text or "")


@pytest.mark.parametrize("job", ["x", JOB[7:], JOB.upper(), JOB])
@pytest.mark.parametrize("what", ["show", *MOVES])
async def test_an_unknown_import_is_not_found(jobs, repository, metrics, what, job):
    asked = getattr(repository, MOVES.get(what, "get_import"))
    asked.return_value = None
    with pytest.raises(ProblemError) as caught:
        await getattr(jobs, what)(about(job))
    assert caught.value.code == "import_not_found"
    assert asked.await_count == (job == JOB)


async def test_an_import_is_shown(jobs, repository):
    repository.get_import.return_value = FOUND
    assert told(await jobs.show(about()))["jobId"] == JOB


@pytest.mark.parametrize("move", MOVES)
async def test_a_move_is_answered_with_the_job_and_counted(jobs, repository, metrics, move):
    getattr(repository, MOVES[move]).return_value = FOUND | {"state": "cancelling"}
    answer = await getattr(jobs, move)(about())
    assert (answer.status, told(answer)["state"]) == (202, "cancelling")
    assert metrics.registry.get_sample_value("imports_moved_total", {"move": move}) == 1


@pytest.mark.parametrize(("move", "code"), [("retry", "not_failed"), ("cancel", "import_ended")])
async def test_a_move_that_is_illegal_is_refused_with_the_state(
    jobs, repository, metrics, move, code
):
    getattr(repository, MOVES[move]).side_effect = InvalidTransitionError("import ... is completed")
    repository.get_import.return_value = FOUND | {"state": "completed"}
    with pytest.raises(ProblemError) as caught:
        await getattr(jobs, move)(about())
    assert (caught.value.code, caught.value.status) == (code, 409)
    assert caught.value.extra == {"state": "completed"}
    assert metrics.registry.get_sample_value("imports_moved_total", {"move": move}) is None


async def test_what_is_undone_already_is_told_at_once(jobs, repository):
    repository.undo_import.return_value = FOUND | {"state": "undone", "failure": None}
    assert (await jobs.undo(about())).status == 200


def listed(*ids: UUID) -> list[dict[str, Any]]:
    return [FOUND | {"id": str(import_id)} for import_id in ids]


async def test_a_list_asks_for_what_is_wanted_and_one_more(jobs, repository):
    repository.list_imports.return_value = listed(UUID(JOB[7:]))
    query = f"state=failed&source=caf%C3%A9&limit=7&cursor={JOB}"
    answer = await jobs.list(make_mocked_request("GET", f"/import?{query}"))
    repository.list_imports.assert_awaited_once_with(
        state="failed", source="café", before=UUID(JOB[7:]), limit=8
    )
    assert (len(told(answer)["imports"]), told(answer)["next"]) == (1, None)
    assert "Link" not in answer.headers


async def test_a_page_that_is_not_the_last_tells_the_next_one(jobs, repository):
    ids = sorted((new_import_id() for _ in range(3)), reverse=True)
    repository.list_imports.return_value = listed(*ids)
    answer = await jobs.list(make_mocked_request("GET", "/import?limit=2&source=a+%26+b"))
    page = told(answer)
    assert [job["jobId"] for job in page["imports"]] == [job_id(one) for one in ids[:2]]
    assert page["next"] == job_id(ids[1])
    link = f'</import?limit=2&source=a+%26+b&cursor={job_id(ids[1])}>; rel="next"'
    assert answer.headers["Link"] == link


async def test_empty_filters_are_none(jobs, repository):
    repository.list_imports.return_value = []
    await jobs.list(make_mocked_request("GET", "/import?state=&source=&limit=&cursor="))
    repository.list_imports.assert_awaited_once_with(state=None, source=None, before=None, limit=21)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("state=done", "state_invalid"),
        ("state=failed&state=queued", "state_invalid"),
        ("cursor=x", "cursor_invalid"),
        (f"cursor={JOB[7:]}", "cursor_invalid"),
        *(
            (f"limit={limit}", "limit_invalid")
            for limit in ("0", "101", "-1", "1.5", "x", "%D9%A3")
        ),
        (f"limit={'9' * 5000}", "limit_invalid"),
        ("limit=1&limit=1", "limit_invalid"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused(jobs, repository, query, code):
    with pytest.raises(ProblemError) as caught:
        await jobs.list(make_mocked_request("GET", f"/import?{query}"))
    assert (caught.value.code, caught.value.status) == (code, 422)
    repository.list_imports.assert_not_awaited()
