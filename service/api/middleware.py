"""Converts every exception of a request into a problem that a client can understand."""

from collections.abc import Collection
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from core.errors import MalformedInputError, PermanentError, TransientError, UpstreamError
from core.supabase.errors import DATABASE, STORAGE, is_missing_bucket
from core.supabase.storage_shared import NAME_TAKEN, UPLOAD_LOST
from service.api.operations import CREATE_IMPORT
from service.api.request_ids import request_id
from service.api.site_checks import check_host, check_site
from service.metrics import ServiceMetrics
from service.problems import ProblemError, not_found

_RETRY_AFTER_SECONDS: Final = 5
_KEY_STATUSES: Final = {401, 403}
_INTERNAL_ERROR: Final = "XX"
"""First letters of the SQLSTATEs for faults of Postgres itself."""
_UPLOAD_LOST_STATUSES: Final = {404, 409, 410}
_PASSING_CODES: Final = {NAME_TAKEN, UPLOAD_LOST, "unknown"}

_log = structlog.stdlib.get_logger(__name__)


def problems_middleware(metrics: ServiceMetrics, allowed_hosts: Collection[str]) -> Middleware:
    """Return the middleware, which counts problems and rejected imports in ``metrics``.

    All that is logged meanwhile has the request's id. It also rejects requests that are for another
    name than ``allowed_hosts``, or that a page of another web site sends.
    """

    @web.middleware
    async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        with structlog.contextvars.bound_contextvars(request_id=request_id(request)):
            return await answer(request, handler)

    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            check_host(request, allowed_hosts)
            check_site(request)
            return await handler(request)
        except Exception as error:  # noqa: BLE001 -- any other becomes an internal_error
            problem = to_problem(error)
        metrics.count_problem(problem.code)
        if request.method == "POST" and request.path in CREATE_IMPORT.addresses:
            metrics.count_rejected(request.content_type, problem.code)
        _log.info("request rejected", code=problem.code, method=request.method)
        return problem.response()

    return answer_problems


def to_problem(error: Exception) -> ProblemError:
    """Return the problem for an exception; causes that clients must not see are logged."""
    match error:
        case ProblemError():
            return error
        case MalformedInputError():
            return ProblemError(
                error.code,
                error.detail,
                param=error.param,
                offset=error.offset,
                record=error.record,
                **error.extra,
            )
        case UpstreamError():
            return _upstream_problem(error)
        case web.HTTPClientError():
            return _routing_problem(error)
        case _:
            _log.error("unexpected error", exc_info=error)
            return ProblemError(
                "internal_error", "The service has a bug, which was logged. Try again later."
            )


def _upstream_problem(error: UpstreamError) -> ProblemError:
    _log.warning("upstream failed", upstream=error.upstream, code=error.code, reason=error.detail)
    if error.status == 413:
        return ProblemError("body_too_large", "The storage bucket's size limit is lower than this.")
    if isinstance(error, PermanentError) and not _may_work_again(error):
        _log.error(
            "upstream refuses requests",
            upstream=error.upstream,
            code=error.code,
            reason=error.detail,
            advice=_advice(error),
        )
        return ProblemError(
            f"{error.upstream}_refused",
            f"The {error.upstream} refuses this because of how it is set up ({error.code}). "
            "Tell the operator.",
        )
    named = error.retry_after if isinstance(error, TransientError) else None
    seconds = max(1, round(named)) if named is not None else _RETRY_AFTER_SECONDS
    return ProblemError(
        f"{error.upstream}_unavailable",
        "Supabase is not available. Send the request again later.",
        headers={"Retry-After": str(seconds)},
    )


def _may_work_again(error: PermanentError) -> bool:
    """Whether the same request may succeed: it concerned one upload only, or is a fault inside."""
    is_upload_lost = error.upstream == STORAGE and error.status in _UPLOAD_LOST_STATUSES
    return (
        error.code in _PASSING_CODES
        or error.code.startswith(_INTERNAL_ERROR)
        or (is_upload_lost and not is_missing_bucket(error))
    )


def _advice(error: PermanentError) -> str:
    """Return what an operator can do about a refusal."""
    if error.status == 415:
        return (
            "allow application/json, text/csv and application/x-ndjson in the bucket, "
            "or remove its allowed_mime_types"
        )
    if error.upstream == STORAGE and is_missing_bucket(error):
        return "create the private bucket of the imports, or restart the service, which does"
    if error.status in _KEY_STATUSES:
        return "check SUPABASE_SERVICE_ROLE_KEY: it must be the service role key of this project"
    if error.upstream == DATABASE:
        return "apply the migrations of this version, and check SUPABASE_SERVICE_ROLE_KEY"
    return "compare the bucket's settings with docs/operate.md"


def _routing_problem(error: web.HTTPClientError) -> ProblemError:
    match error:
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            return ProblemError("method_not_allowed", f"Use {allowed}.", headers={"Allow": allowed})
        case web.HTTPNotFound():
            return not_found()
        case web.HTTPExpectationFailed():
            return ProblemError(
                "expectation_failed", "Only POST /import supports Expect: 100-continue."
            )
        case _:
            return ProblemError("malformed_request", error.reason)
