"""The HTTP server: aiohttp's, with limits on the heads of requests and with problems as errors.

By itself aiohttp waits for a request's head without a limit, keeps up to a megabyte of it, and
answers what it cannot parse in plain text that quotes the client. Here a head has a time and a size
limit, and all error responses are problems.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, cast

import structlog
from aiohttp import EMPTY_PAYLOAD, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import HttpParser, RawRequestMessage

from service.api.middleware import to_problem
from service.intake.minimum_rate import client_too_slow
from service.problems import ProblemError

MAX_HEAD_BYTES: Final = 32 * 1024
"""Of a head that arrives in pieces; what arrives at once is limited by the size of a read."""

_KEEPALIVE_SECONDS: Final = 75.0
"""How long a connection may be idle between two requests: longer than load balancers keep it."""

_SERVER_HEADER: Final = "contacts-importer"
"""Replaces aiohttp's, which shows the versions of Python and aiohttp."""

_Messages = tuple[Sequence[tuple[RawRequestMessage, StreamReader]], bool, bytes]
_NOTHING: Final[_Messages] = ((), False, b"")

_log = structlog.stdlib.get_logger(__name__)


class Runner(web.AppRunner):
    """Runs an application; clients have ``head_seconds`` to send the head of a request."""

    def __init__(self, app: web.Application, *, head_seconds: float, **options: Any) -> None:  # noqa: ANN401
        super().__init__(app, keepalive_timeout=_KEEPALIVE_SECONDS, **options)
        self._head_seconds = head_seconds

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return _Server(server, self._head_seconds, self._kwargs)


class _Server(web.Server):
    """The application's server, whose connections are of the class Connection."""

    def __init__(self, server: web.Server, head_seconds: float, options: dict[str, Any]) -> None:
        super().__init__(server.request_handler, request_factory=server.request_factory, **options)
        self._head_seconds = head_seconds

    def __call__(self) -> web.RequestHandler:
        return Connection(self, self._loop, self._head_seconds, **self._kwargs)


class Connection(web.RequestHandler):
    """The connection of one client."""

    __slots__ = ("_head_seconds", "_limited_parser", "_timer")

    def __init__(
        self,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
        head_seconds: float,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(server, loop=loop, **options)
        self._head_seconds = head_seconds
        self._limited_parser = _LimitedParser(cast("HttpParser[RawRequestMessage]", self._parser))
        self._parser = cast("HttpParser[RawRequestMessage]", self._limited_parser)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the timer of the first head."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the next bytes; the timer runs while a head is incomplete."""
        super().data_received(data)
        if not self._limited_parser.is_in_head:
            self._stop_timer()
        elif self._timer is None:
            self._start_timer()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 -- may quote the client
    ) -> web.StreamResponse:
        """Return the problem for what could not be handled: malformed HTTP, or an error of ours."""
        problem = _to_problem(exc, status)
        _log.info("request rejected", code=problem.code, method=request.method)
        if request.writer.output_size > 0:
            raise ConnectionError("a response was begun already")
        response = problem.response()
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a response; aiohttp's own error responses become problems."""
        if isinstance(resp, web.HTTPException):
            resp = to_problem(resp).response()
        resp.headers["Server"] = _SERVER_HEADER
        return await super().finish_response(request, resp, start_time)

    def log_exception(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Log an error unless the client caused it, with a truncated body that no handler reads."""
        if not isinstance(kwargs.get("exc_info"), ProblemError | web.RequestPayloadError):
            super().log_exception(*args, **kwargs)

    def _start_timer(self) -> None:
        self._timer = self._loop.call_later(self._head_seconds, self._time_out)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        self._timer = None
        self._limited_parser.fail(_HeadTooSlowError(self._head_seconds))
        self.data_received(b"")


class _HeadTooSlowError(HttpProcessingError):
    """The head of a request was not complete in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(code=408)
        self.seconds = seconds


class _HeadTooLargeError(HttpProcessingError):
    """The head of a request has too many bytes."""


class _LimitedParser:
    """aiohttp's parser, with a limit on the size of a head.

    aiohttp passes its exceptions to ``handle_error`` once all earlier requests are answered.
    """

    def __init__(self, parser: HttpParser[RawRequestMessage]) -> None:
        self._parser = parser
        self._body: StreamReader = EMPTY_PAYLOAD
        self._head_bytes = 0
        self._error: HttpProcessingError | None = None
        self._has_failed = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._parser, name)

    @property
    def is_in_head(self) -> bool:
        """Whether some bytes of a head were received, but not all."""
        return self._head_bytes > 0 and not self._has_failed

    def fail(self, error: HttpProcessingError) -> None:
        """Have the next call of ``feed_data`` raise an error."""
        self._error = error

    def feed_data(self, data: bytes) -> _Messages:
        """Parse the next bytes; raises HttpProcessingError, and ignores all bytes after that."""
        if self._has_failed:
            return _NOTHING
        try:
            return self._feed(data)
        except HttpProcessingError as error:
            self._has_failed = True
            if self._body.is_eof():
                raise
            # Whoever reads the body gets the error: aiohttp would let it wait for ever.
            self._body.set_exception(_to_problem(error, 400))
            self._body.feed_eof()
            return _NOTHING

    def _feed(self, data: bytes) -> _Messages:
        if self._error is not None:
            raise self._error
        in_head = self._body.is_eof()
        parsed = self._parser.feed_data(data)
        if parsed[0]:
            self._body, self._head_bytes = parsed[0][-1][1], 0
        elif in_head:
            self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise _HeadTooLargeError
        return parsed


def _to_problem(error: BaseException | None, status: int) -> ProblemError:
    """Return the problem for an error, without the parser's message, which quotes the client."""
    match error:
        case _HeadTooSlowError():
            return client_too_slow(
                f"The head of a request must arrive within {error.seconds:g} seconds."
            )
        case _HeadTooLargeError() | LineTooLong():
            return _head_too_large()
        case HttpProcessingError() if "Too many headers" in error.message:
            return _head_too_large()
        case HttpProcessingError():
            detail = "This is not HTTP/1.1 (RFC 9112)."
            return ProblemError("malformed_request", detail, headers={"Connection": "close"})
        case Exception():
            return to_problem(error)
        case _:
            return to_problem(RuntimeError(f"a request ended with {status}"))


def _head_too_large() -> ProblemError:
    return ProblemError(
        "head_too_large",
        "The address or the headers are too large.",
        headers={"Connection": "close"},
    )
