"""What happens on a connection before a request can be handled, and when it is no HTTP at all.

aiohttp waits for a request's head for ever, keeps up to a megabyte of it, and answers what it
cannot parse in plain text with the parser's own words. Here a head has a time and a size, and all
answers are problems. Requests that are in work, and connections that are kept open between two of
them, are left to aiohttp.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, cast

import structlog
from aiohttp import EMPTY_PAYLOAD, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import HttpParser, RawRequestMessage

from service.api.middleware import to_problem
from service.intake.minimum_rate import too_slow
from service.problems import ProblemError

MAX_HEAD_BYTES: Final = 32 * 1024
"""Of a head that comes in pieces; what comes at once is bounded by the size of a read."""

_KEEPALIVE_SECONDS: Final = 75.0
"""How long a connection may be idle between two requests: longer than load balancers keep one."""

_SERVER: Final = "contacts-importer"
"""Instead of aiohttp's own word, which has the versions of all that runs here."""

_Parsed = tuple[Sequence[tuple[RawRequestMessage, StreamReader]], bool, bytes]
_NOTHING: Final[_Parsed] = ((), False, b"")

_log = structlog.stdlib.get_logger(__name__)


class Runner(web.AppRunner):
    """Runs an application whose clients have so many seconds for the head of a request."""

    def __init__(self, app: web.Application, *, head_seconds: float, **options: Any) -> None:  # noqa: ANN401
        super().__init__(app, keepalive_timeout=_KEEPALIVE_SECONDS, **options)
        self._head_seconds = head_seconds

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(made, self._head_seconds, self._kwargs)


class _Server(web.Server):
    """The application's server, with connections of ours."""

    def __init__(self, made: web.Server, head_seconds: float, options: dict[str, Any]) -> None:
        super().__init__(made.request_handler, request_factory=made.request_factory, **options)
        self._head_seconds = head_seconds

    def __call__(self) -> web.RequestHandler:
        return Connection(self, self._loop, self._head_seconds, **self._kwargs)


class Connection(web.RequestHandler):
    """One client's connection."""

    __slots__ = ("_head_seconds", "_heads", "_timer")

    def __init__(
        self,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
        head_seconds: float,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(server, loop=loop, **options)
        self._head_seconds = head_seconds
        self._heads = _Heads(cast("HttpParser[RawRequestMessage]", self._parser))
        self._parser = cast("HttpParser[RawRequestMessage]", self._heads)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wait no longer."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take the next bytes, and mind since when a head is incomplete."""
        super().data_received(data)
        if not self._heads.incomplete:
            self._stop_timer()
        elif self._timer is None:
            self._start_timer()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 -- the parser's, which may be anything
    ) -> web.StreamResponse:
        """Answer what could not be handled: broken HTTP, or an error of ours."""
        problem = _to_problem(exc, status)
        _log.info("request refused", code=problem.code, method=request.method)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is on its way already")
        response = problem.response()
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; aiohttp's own ones become problems."""
        if isinstance(resp, web.HTTPException):
            resp = to_problem(resp).response()
        resp.headers["Server"] = _SERVER
        return await super().finish_response(request, resp, start_time)

    def log_exception(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Log an error, unless it is the client's, who has broken off a body nobody reads."""
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
        self._heads.give_up(_HeadTooSlowError(self._head_seconds))
        self.data_received(b"")


class _HeadTooSlowError(HttpProcessingError):
    """A head was not complete in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(code=408)
        self.seconds = seconds


class _HeadTooLargeError(HttpProcessingError):
    """A head has too many bytes."""


class _Heads:
    """aiohttp's parser, which tells whether a head is incomplete, and minds its size.

    What it raises, aiohttp hands to ``handle_error`` once all requests before it are answered.
    """

    def __init__(self, parser: HttpParser[RawRequestMessage]) -> None:
        self._parser = parser
        self._body: StreamReader = EMPTY_PAYLOAD
        self._size = 0
        self._reason: HttpProcessingError | None = None
        self._ended = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._parser, name)

    @property
    def incomplete(self) -> bool:
        """Whether some bytes of a head have come, but not all."""
        return self._size > 0 and not self._ended

    def give_up(self, reason: HttpProcessingError) -> None:
        """Take no more; the next call of ``feed_data`` tells why."""
        self._reason = reason

    def feed_data(self, data: bytes) -> _Parsed:
        """Parse the next bytes; raises HttpProcessingError, and takes nothing after that."""
        if self._ended:
            return _NOTHING
        try:
            return self._feed(data)
        except HttpProcessingError as error:
            self._ended = True
            if self._body.is_eof():
                raise
            self._break_body(error)
            return _NOTHING

    def _feed(self, data: bytes) -> _Parsed:
        if self._reason is not None:
            raise self._reason
        in_head = self._body.is_eof()
        parsed = self._parser.feed_data(data)
        if parsed[0]:
            self._body, self._size = parsed[0][-1][1], 0
        elif in_head:
            self._size += len(data)
        if self._size > MAX_HEAD_BYTES:
            raise _HeadTooLargeError
        return parsed

    def _break_body(self, error: HttpProcessingError) -> None:
        """Tell who reads the body; aiohttp would have it wait for bytes that never come."""
        self._body.set_exception(_to_problem(error, 400))
        self._body.feed_eof()


def _to_problem(error: BaseException | None, status: int) -> ProblemError:
    """What to tell a client, in our own words: those of the parser hold the client's bytes."""
    match error:
        case _HeadTooSlowError():
            return too_slow(f"The head of a request must come within {error.seconds:g} seconds.")
        case _HeadTooLargeError() | LineTooLong():
            return _too_large()
        case HttpProcessingError() if "Too many headers" in error.message:
            return _too_large()
        case HttpProcessingError():
            detail = "This is not HTTP/1.1 as RFC 9112 has it."
            return ProblemError("malformed_request", detail, headers={"Connection": "close"})
        case Exception():
            return to_problem(error)
        case _:
            return to_problem(RuntimeError(f"a request ended with {status}"))


def _too_large() -> ProblemError:
    return ProblemError(
        "head_too_large",
        "The address or the headers are too large.",
        headers={"Connection": "close"},
    )
