"""Converts every exception of a request into a problem that a client can understand."""

from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from core.errors import MalformedInputError, TransientError, UpstreamError
from service.metrics import ServiceMetrics
from service.problems import ProblemError, not_found

_RETRY_AFTER_SECONDS: Final = 5

_log = structlog.stdlib.get_logger(__name__)


def problems_middleware(metrics: ServiceMetrics) -> Middleware:
    """Return the middleware, which counts rejected imports in ``metrics``."""

    @web.middleware
    async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            _check_site(request)
            return await handler(request)
        except Exception as error:  # noqa: BLE001 -- any other becomes an internal_error
            problem = to_problem(error)
        if request.method == "POST" and request.path == "/import":
            metrics.count_rejected(request.content_type, problem.code)
        _log.info("request rejected", code=problem.code, method=request.method)
        return problem.response()

    return answer_problems


def _check_site(request: web.Request) -> None:
    """Reject requests that another web site makes a visitor's browser send (CSRF).

    Browsers set the header (https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header), other
    clients do not.
    """
    is_safe = request.method in {"GET", "HEAD"}
    if not is_safe and request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise ProblemError("cross_site", "Send it from here, or not from a web page.")


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
    named = error.retry_after if isinstance(error, TransientError) else None
    seconds = max(1, round(named)) if named is not None else _RETRY_AFTER_SECONDS
    return ProblemError(
        f"{error.upstream}_unavailable",
        "Supabase is not available. Send the request again later.",
        headers={"Retry-After": str(seconds)},
    )


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
