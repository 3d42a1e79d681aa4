"""Turns whatever ends a request into a problem that a client can understand."""

from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from core.errors import MalformedInputError, TransientError, UpstreamError
from service.metrics import ServiceMetrics
from service.problems import ProblemError, not_found

_RETRY_AFTER_SECONDS: Final = 5

_SITE: Final = "Sec-Fetch-Site"

_log = structlog.stdlib.get_logger(__name__)


def problems_middleware(metrics: ServiceMetrics) -> Middleware:
    """The middleware; refused imports are counted in ``metrics``."""

    @web.middleware
    async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            _check_site(request)
            return await handler(request)
        except Exception as error:  # noqa: BLE001 -- the last line of defence
            problem = to_problem(error)
        if request.method == "POST" and request.path == "/import":
            metrics.refuse(request.content_type, problem.code)
        _log.info("request refused", code=problem.code, method=request.method)
        return problem.response()

    return answer_problems


def _check_site(request: web.Request) -> None:
    """Refuse what another web site has a visitor's browser do (CSRF).

    https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header; who is no browser sends none.
    """
    if request.method not in {"GET", "HEAD"} and request.headers.get(_SITE) == "cross-site":
        raise ProblemError("cross_site", "Send it from here, or not from a web page.")


def to_problem(error: Exception) -> ProblemError:
    """What to tell the client; causes that it must not see are logged."""
    match error:
        case ProblemError():
            problem = error
        case MalformedInputError():
            problem = ProblemError(
                error.code,
                error.detail,
                param=error.param,
                offset=error.offset,
                record=error.record,
            )
        case UpstreamError():
            problem = _unavailable(error)
        case web.HTTPClientError():
            problem = _misdirected(error)
        case _:
            _log.error("request broke", exc_info=error)
            problem = ProblemError(
                "internal_error", "It is our fault and was logged. Try again later."
            )
    return problem


def _misdirected(error: web.HTTPClientError) -> ProblemError:
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return ProblemError("method_not_allowed", f"Use {allowed}.", headers={"Allow": allowed})
    if isinstance(error, web.HTTPNotFound):
        return not_found()
    if isinstance(error, web.HTTPExpectationFailed):
        return ProblemError("expectation_failed", "Only POST /import has 100-continue to expect.")
    return ProblemError("malformed_request", error.reason)


def _unavailable(error: UpstreamError) -> ProblemError:
    _log.warning("upstream failed", upstream=error.upstream, code=error.code, reason=error.detail)
    if error.status == 413:
        return ProblemError("body_too_large", "The storage bucket's size limit is lower than this.")
    named = error.retry_after if isinstance(error, TransientError) else None
    seconds = max(1, round(named)) if named is not None else _RETRY_AFTER_SECONDS
    return ProblemError(
        f"{error.upstream}_unavailable",
        "Supabase is away. Send the request again later.",
        headers={"Retry-After": str(seconds)},
    )
