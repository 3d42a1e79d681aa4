"""Handlers of /import with fakes of intake and repository; contract tests cover the rest."""

import json
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest
from aiohttp import ClientConnectionResetError, HttpVersion, HttpVersion10, HttpVersion11, web
from aiohttp.http_writer import StreamWriter
from aiohttp.test_utils import make_mocked_request

from core.errors import InvalidTransitionError
from core.ids import job_id, new_import_id
from core.retention import Retention
from service.api.client_address import ClientAddresses
from service.api.imports import Imports
from service.api.uploads import HEAD, Uploads
from service.intake.accept import Intake
from service.intake.limits import Limits
from service.intake.places import UploadPlaces
from service.metrics import ServiceMetrics
from service.problems import ProblemError
from service.repository import ExistingImport, Repository
from tests.unit.core.test_job_view import FOUND, JOB

HEADERS = {"Content-Type": "application/json"}
ACCEPTED = "contacts_importer_transitions_accepted_total"
TRANSITIONS = {"retry": "retry_import", "cancel": "cancel_import", "undo": "undo_import"}


@pytest.fixture
def repository() -> Mock:
    return AsyncMock(spec=Repository)


@pytest.fixture
def intake() -> Mock:
    return AsyncMock(spec=Intake, draining=False, running=0)


@pytest.fixture
def metrics() -> ServiceMetrics:
    return ServiceMetrics()


@pytest.fixture
def places() -> UploadPlaces:
    return UploadPlaces(1, None)


@pytest.fixture
def imports(
    intake: Mock, repository: Mock, metrics: ServiceMetrics, places: UploadPlaces
) -> Imports:
    addresses = ClientAddresses(None, [])
    uploads = Uploads(intake, metrics, Limits(100, 100, 100), places, addresses)
    return Imports(intake, repository, metrics, uploads, Retention())


async def test_accept_rejects_requests_while_the_service_stops(imports, intake):
    intake.draining = True
    with pytest.raises(ProblemError) as caught:
        await imports.accept(make_mocked_request("POST", "/import", headers=HEADERS))
    assert (caught.value.code, caught.value.status) == ("shutting_down", 503)
    assert caught.value.headers["Retry-After"]
    intake.accept.assert_not_called()


async def test_accept_rejects_more_than_the_maximum_of_uploads(imports, intake, places):
    places.take("another client", Mock(is_waiting=False))
    with pytest.raises(ProblemError) as caught:
        await imports.accept(make_mocked_request("POST", "/import", headers=HEADERS))
    assert (caught.value.code, caught.value.status) == ("too_many_uploads", 503)
    assert caught.value.headers["Retry-After"]
    intake.accept.assert_not_called()


def expecting(version: HttpVersion, **headers: str) -> tuple[web.Request, Mock]:
    writer = AsyncMock(spec=StreamWriter)
    sent = HEADERS | {"Expect": "100-continue"} | headers
    return make_mocked_request("POST", "/", sent, version=version, writer=writer), writer


@pytest.mark.parametrize(("version", "sent"), [(HttpVersion10, 0), (HttpVersion11, 1)])
async def test_expect_sends_100_continue_to_http_1_1_clients_only(imports, version, sent):
    request, writer = expecting(version)
    assert await imports.uploads.expect(request) is None
    assert writer.write.await_count == sent


async def test_expect_sends_a_problem_instead_of_100_continue(imports):
    request, writer = expecting(HttpVersion11, **{"Content-Type": "text/html"})
    answer = await imports.uploads.expect(request)
    assert (answer.status, answer.content_type) == (415, "application/problem+json")
    writer.write.assert_not_awaited()


async def test_accept_uses_the_head_that_expect_has_read(imports, intake):
    request, _ = expecting(HttpVersion11)
    assert await imports.uploads.expect(request) is None
    intake.accept.return_value = ExistingImport(new_import_id(), same=True)
    await imports.accept(request)
    assert intake.accept.await_args.args[0] is request[HEAD]


async def test_expect_does_not_fail_if_the_client_has_left(imports):
    request, writer = expecting(HttpVersion11)
    writer.write.side_effect = ClientConnectionResetError("Cannot write to closing transport")
    answer = await imports.uploads.expect(request)
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "truncated_body")


def request_for(job: str = JOB) -> web.Request:
    return make_mocked_request("GET", "/", match_info={"jobId": job})


def body_of(answer: web.StreamResponse) -> Any:
    assert isinstance(answer, web.Response)
    return json.loads(answer.text or "")


@pytest.mark.parametrize("job", ["x", JOB[7:], JOB.upper(), JOB])
@pytest.mark.parametrize("what", ["show", *TRANSITIONS])
async def test_an_unknown_import_is_not_found(imports, repository, metrics, what, job):
    asked = getattr(repository, TRANSITIONS.get(what, "get_import"))
    asked.return_value = None
    with pytest.raises(ProblemError) as caught:
        await getattr(imports, what)(request_for(job))
    assert caught.value.code == "import_not_found"
    assert asked.await_count == (job == JOB)


async def test_show(imports, repository):
    repository.get_import.return_value = FOUND
    assert body_of(await imports.show(request_for()))["jobId"] == JOB


@pytest.mark.parametrize("move", TRANSITIONS)
async def test_a_transition_returns_the_job_and_is_counted(imports, repository, metrics, move):
    getattr(repository, TRANSITIONS[move]).return_value = FOUND | {"state": "cancelling"}
    answer = await getattr(imports, move)(request_for())
    assert (answer.status, body_of(answer)["state"]) == (202, "cancelling")
    assert metrics.registry.get_sample_value(ACCEPTED, {"transition": move}) == 1


@pytest.mark.parametrize(("move", "code"), [("retry", "not_failed"), ("cancel", "import_ended")])
async def test_an_invalid_transition_is_rejected_with_the_state(
    imports, repository, metrics, move, code
):
    getattr(repository, TRANSITIONS[move]).side_effect = InvalidTransitionError(
        "import ... is completed"
    )
    repository.get_import.return_value = FOUND | {"state": "completed"}
    with pytest.raises(ProblemError) as caught:
        await getattr(imports, move)(request_for())
    assert (caught.value.code, caught.value.status) == (code, 409)
    assert caught.value.extra == {"state": "completed"}
    assert metrics.registry.get_sample_value(ACCEPTED, {"transition": move}) is None


async def test_undo_of_an_undone_import_returns_200(imports, repository):
    repository.undo_import.return_value = FOUND | {"state": "undone", "failure": None}
    assert (await imports.undo(request_for())).status == 200


def listed(*ids: UUID) -> list[dict[str, Any]]:
    return [FOUND | {"id": str(import_id)} for import_id in ids]


async def list_page(imports: Imports, query: str) -> tuple[dict[str, Any], web.StreamResponse]:
    """Return a page of the list, and the response with its headers."""
    writer = AsyncMock(spec=StreamWriter)
    request = make_mocked_request("GET", f"/import?{query}", writer=writer)
    answer = await imports.list(request)
    return json.loads(b"".join(call.args[0] for call in writer.write.await_args_list)), answer


async def test_list_reads_one_more_than_the_page(imports, repository):
    repository.list_imports.return_value = listed(UUID(JOB[7:]))
    page, answer = await list_page(imports, f"state=failed&source=caf%C3%A9&limit=7&cursor={JOB}")
    repository.list_imports.assert_awaited_once_with(
        state="failed", source="café", before=UUID(JOB[7:]), limit=8
    )
    assert (len(page["imports"]), page["next"]) == (1, None)
    assert "Link" not in answer.headers


async def test_list_links_to_the_next_page(imports, repository):
    ids = sorted((new_import_id() for _ in range(3)), reverse=True)
    repository.list_imports.return_value = listed(*ids)
    page, answer = await list_page(imports, "limit=2&source=a+%26+b")
    assert [job["jobId"] for job in page["imports"]] == [job_id(one) for one in ids[:2]]
    assert page["next"] == job_id(ids[1])
    link = f'</import?limit=2&source=a+%26+b&cursor={job_id(ids[1])}>; rel="next"'
    assert answer.headers["Link"] == link


async def test_list_ignores_empty_parameters(imports, repository):
    repository.list_imports.return_value = []
    await imports.list(make_mocked_request("GET", "/import?state=&source=&limit=&cursor="))
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
async def test_list_rejects_invalid_parameters(imports, repository, query, code):
    with pytest.raises(ProblemError) as caught:
        await imports.list(make_mocked_request("GET", f"/import?{query}"))
    assert (caught.value.code, caught.value.status) == (code, 422)
    repository.list_imports.assert_not_awaited()
