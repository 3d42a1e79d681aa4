"""problems_middleware and to_problem: exceptions become problems without internals."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from core.errors import MalformedInputError, PermanentError, TransientError
from service.api.middleware import problems_middleware, to_problem
from service.metrics import ServiceMetrics
from service.problems import PROBLEM_TYPES, ProblemError

UNAVAILABLE = {"Retry-After": "5"}


@pytest.mark.parametrize(
    ("error", "code", "headers", "extra"),
    [
        (ProblemError("file_missing", "x"), "file_missing", {}, {}),
        (
            MalformedInputError("malformed_json", "x", offset=0, record=7),
            "malformed_json",
            {},
            {"offset": 0, "record": 7},
        ),
        (MalformedInputError("source_invalid", "x"), "source_invalid", {}, {}),
        (
            MalformedInputError("unknown_option", "x", param="y"),
            "unknown_option",
            {},
            {"param": "y"},
        ),
        (TransientError("storage", "x"), "storage_unavailable", UNAVAILABLE, {}),
        (PermanentError("database", "secret", code="PGRST202"), "database_refused", {}, {}),
        (PermanentError("database", "secret"), "database_unavailable", UNAVAILABLE, {}),
        (
            PermanentError("database", "secret", code="XX000"),
            "database_unavailable",
            UNAVAILABLE,
            {},
        ),
        (PermanentError("storage", "secret", code="415", status=415), "storage_refused", {}, {}),
        (PermanentError("storage", "secret", code="403", status=403), "storage_refused", {}, {}),
        (
            PermanentError("storage", "Bucket not found", code="404", status=404),
            "storage_refused",
            {},
            {},
        ),
        (
            PermanentError("storage", "secret", code="NoSuchBucket", status=404),
            "storage_refused",
            {},
            {},
        ),
        (
            PermanentError("storage", "secret", code="404", status=404),
            "storage_unavailable",
            UNAVAILABLE,
            {},
        ),
        (
            PermanentError("storage", "secret", code="name_taken", status=409),
            "storage_unavailable",
            UNAVAILABLE,
            {},
        ),
        (
            PermanentError("storage", "secret", code="lost"),
            "storage_unavailable",
            UNAVAILABLE,
            {},
        ),
        (PermanentError("storage", "secret", status=413), "body_too_large", {}, {}),
        (
            TransientError("storage", "x", retry_after=17.4),
            "storage_unavailable",
            {"Retry-After": "17"},
            {},
        ),
        (
            TransientError("storage", "x", retry_after=0),
            "storage_unavailable",
            {"Retry-After": "1"},
            {},
        ),
        (web.HTTPNotFound(), "not_found", {}, {}),
        (
            web.HTTPMethodNotAllowed("PUT", ["POST", "GET"]),
            "method_not_allowed",
            {"Allow": "GET, POST"},
            {},
        ),
        (web.HTTPBadRequest(), "malformed_request", {}, {}),
        (RuntimeError("secret"), "internal_error", {}, {}),
    ],
)
def test_to_problem(error, code, headers, extra):
    problem = to_problem(error)
    assert (problem.code, problem.headers, problem.extra) == (code, headers, extra)
    assert problem.status == PROBLEM_TYPES[code].status
    assert "secret" not in problem.detail


def counted(metrics: ServiceMetrics, code: str) -> float:
    return (
        metrics.registry.get_sample_value(
            "contacts_importer_imports_refused_total", {"format": "other", "code": code}
        )
        or 0
    )


@pytest.mark.parametrize(
    ("method", "path", "count"), [("POST", "/import", 1), ("GET", "/import", 0), ("POST", "/x", 0)]
)
async def test_only_rejected_imports_are_counted(method, path, count):
    metrics = ServiceMetrics()

    async def handler(_: web.Request) -> web.StreamResponse:
        raise ProblemError("file_missing", "x")

    request = make_mocked_request(method, path)
    answer = await problems_middleware(metrics, {"*"})(request, handler)
    assert answer.status == 422
    assert counted(metrics, "file_missing") == count


async def test_responses_pass_unchanged():
    answer = web.Response(text="ok")

    async def handler(_: web.Request) -> web.StreamResponse:
        return answer

    passed = await problems_middleware(ServiceMetrics(), {"*"})(
        make_mocked_request("GET", "/"), handler
    )
    assert passed is answer
