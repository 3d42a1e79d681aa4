"""Which requests are allowed: those whose key (RFC 6750) has the scope of their operation.

A request is checked before anything of its body is read, also where it expects a ``100 Continue``
first, which aiohttp answers before any middleware. So handlers are wrapped one by one.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from service.keys.identity import KEY_NAME
from service.keys.key_file import KeyFile
from service.keys.scopes import Scope
from service.metrics import ServiceMetrics
from service.problems import ProblemError

REALM: Final = "contacts-importer"
_SCHEME: Final = "bearer"

_log = structlog.stdlib.get_logger(__name__)

Expectation = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
"""Handler of ``Expect`` headers; returns a response if the expectation is not met."""


class Authorization:
    """Checks the keys of requests. Without a file of keys every request is allowed."""

    def __init__(
        self, keys: KeyFile | None, metrics: ServiceMetrics, *, protect_metrics: bool = False
    ) -> None:
        """``protect_metrics`` is whether the operation of the scope METRICS needs a key, too."""
        self._keys = keys
        self._metrics = metrics
        needed = set(Scope) if protect_metrics else set(Scope) - {Scope.METRICS}
        self.scopes: Final = frozenset(needed if keys else ())
        """The scopes that requests need keys for."""

    def protect(self, handler: Handler, scope: Scope) -> Handler:
        """Return a handler that checks requests first, and notes the names of their keys."""
        if self._keys is None or scope not in self.scopes:
            return handler
        keys = self._keys

        async def authorized(request: web.Request) -> web.StreamResponse:
            name = request[KEY_NAME] = _allowed_key(request, keys, scope)
            with structlog.contextvars.bound_contextvars(key_name=name):
                return await handler(request)

        return authorized

    def protect_expectation(self, expect: Expectation, scope: Scope) -> Expectation:
        """Return a handler of ``Expect`` headers of uploads that does the same."""
        if self._keys is None or scope not in self.scopes:
            return expect
        keys = self._keys

        async def authorized(request: web.Request) -> web.StreamResponse | None:
            try:
                request[KEY_NAME] = _allowed_key(request, keys, scope)
            except ProblemError as problem:
                self._metrics.count_problem(problem.code)
                self._metrics.count_rejected(request.content_type, problem.code)
                _log.info("request rejected", code=problem.code, method=request.method)
                return problem.response()
            return await expect(request)

        return authorized


def _allowed_key(request: web.Request, keys: KeyFile, scope: Scope) -> str:
    """Return the name of a request's key.

    Raises ProblemError (401 or 403) unless there is a key that is known and has the scope.
    """
    values = request.headers.getall("Authorization", [])
    scheme, _, text = values[0].partition(" ") if values else ("", "", "")
    if scheme.lower() != _SCHEME:
        raise ProblemError(
            "api_key_missing",
            "Send a key in the header Authorization: Bearer.",
            headers={"WWW-Authenticate": _challenge(scope)},
        )
    key = keys.find(text.strip(" ")) if len(values) == 1 else None
    if key is None:
        raise ProblemError(
            "api_key_invalid",
            "The service does not know this key. It may have been replaced.",
            headers={"WWW-Authenticate": _challenge(scope, "invalid_token")},
        )
    if scope not in key.scopes:
        _log.info("key does not allow the request", key_name=key.name, scope=scope.value)
        raise ProblemError(
            "api_key_scope_missing",
            f"This needs a key with the scope {scope}; the key {key.name} does not have it.",
            headers={"WWW-Authenticate": _challenge(scope, "insufficient_scope")},
        )
    return key.name


def _challenge(scope: Scope, error: str | None = None) -> str:
    """Return the value of ``WWW-Authenticate`` (RFC 6750, section 3).

    A request without a key gets no error code.
    """
    parameters = {"realm": REALM, "error": error, "scope": scope}
    return "Bearer " + ", ".join(f'{name}="{text}"' for name, text in parameters.items() if text)
