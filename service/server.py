"""The HTTP server: aiohttp's, with limits on the heads of requests and with problems as errors.

By itself aiohttp waits for a request's head without a limit, keeps up to a megabyte of it, waits
for ever for a client to read, accepts some requests that are not HTTP/1.1, and answers what it
cannot parse in plain text that quotes the client. Here a head has a time and a size limit, an
answer must be read, the framing is checked (RFC 9112), and all error responses are problems.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final, cast

import structlog
from aiohttp import EMPTY_PAYLOAD, HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.http_parser import HttpParser, RawRequestMessage

from service.api.middleware import to_problem
from service.api.request_ids import HEADER, request_id
from service.api.request_times import RequestHandler, timed
from service.intake.minimum_rate import BYTES_PER_SECOND, client_too_slow
from service.metrics import ServiceMetrics
from service.problems import ProblemError
from service.resetting import reset

MAX_HEAD_BYTES: Final = 32 * 1024
"""Of a head that arrives in pieces; what arrives at once is limited by the size of a read."""

_KEEPALIVE_SECONDS: Final = 75.0
"""How long a connection may be idle between two requests: longer than load balancers keep it."""

_SERVER_HEADER: Final = "contacts-importer"
"""Replaces aiohttp's, which shows the versions of Python and aiohttp."""

_MAX_FRAMING_BYTES: Final = 64 * 1024
_FRAMING_PER_BYTE: Final = 8
"""Bytes of a chunked body beside its content: so many, and so many more for each byte of content.

A chunk of a single byte has five: its size, and two line ends. Extensions of chunks count as well.
"""
_REQUEST_LINE: Final = re.compile(rb"[^ ]+ [^ ]+ [^ ]+\Z").match

_Messages = tuple[Sequence[tuple[RawRequestMessage, StreamReader]], bool, bytes]
_NOTHING: Final[_Messages] = ((), False, b"")

_log = structlog.stdlib.get_logger(__name__)


class Runner(web.AppRunner):
    """Runs an application; clients have ``idle_seconds`` to send a head and to read some bytes."""

    def __init__(
        self,
        app: web.Application,
        *,
        idle_seconds: float,
        metrics: ServiceMetrics,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(app, keepalive_timeout=_KEEPALIVE_SECONDS, **options)
        self._idle_seconds = idle_seconds
        self._metrics = metrics

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        handler = timed(server.request_handler, self._metrics)
        return _Server(server, handler, self._idle_seconds, self._kwargs)


class _Server(web.Server):
    """The application's server, whose connections are of the class Connection."""

    def __init__(
        self,
        server: web.Server,
        handler: RequestHandler,
        idle_seconds: float,
        options: dict[str, Any],
    ) -> None:
        super().__init__(handler, request_factory=server.request_factory, **options)
        self._idle_seconds = idle_seconds

    def __call__(self) -> web.RequestHandler:
        return Connection(self, self._loop, self._idle_seconds, **self._kwargs)


class Connection(web.RequestHandler):
    """The connection of one client."""

    __slots__ = ("_idle_seconds", "_limited_parser", "_timer", "_unsent", "_write_timer")

    def __init__(
        self,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
        idle_seconds: float,
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(server, loop=loop, **options)
        self._idle_seconds = idle_seconds
        self._limited_parser = _LimitedParser(cast("HttpParser[RawRequestMessage]", self._parser))
        self._parser = cast("HttpParser[RawRequestMessage]", self._limited_parser)
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._unsent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the timer of the first head, and be told of every byte that cannot be sent."""
        super().connection_made(transport)
        cast("asyncio.WriteTransport", transport).set_write_buffer_limits(high=0)
        self._start_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the timers."""
        self._stop_timer()
        self._stop_write_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Watch whether the client reads what could not be sent at once."""
        super().pause_writing()
        self._watch_writing()

    def resume_writing(self) -> None:
        """Stop watching: all was sent."""
        self._stop_write_timer()
        super().resume_writing()

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
        _log.info(
            "request rejected",
            code=problem.code,
            method=request.method,
            request_id=request_id(request),
        )
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
        if not resp.prepared:
            resp.headers[HEADER] = request_id(request)
        return await super().finish_response(request, resp, start_time)

    def log_exception(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Log an error unless the client caused it, with a truncated body that no handler reads."""
        if not isinstance(kwargs.get("exc_info"), ProblemError | web.RequestPayloadError):
            super().log_exception(*args, **kwargs)

    def _start_timer(self) -> None:
        self._timer = self._loop.call_later(self._idle_seconds, self._time_out)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        self._timer = None
        self._limited_parser.fail(_HeadTooSlowError(self._idle_seconds))
        self.data_received(b"")

    def _watch_writing(self) -> None:
        if self.transport is not None:
            self._unsent = self.transport.get_write_buffer_size()
            self._write_timer = self._loop.call_later(self._idle_seconds, self._check_writing)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _check_writing(self) -> None:
        """Cut a connection whose client has read little since the last look."""
        transport = self.transport
        allowed = max(0.0, self._unsent - BYTES_PER_SECOND * self._idle_seconds)
        if transport is not None and transport.get_write_buffer_size() > allowed:
            _log.info("answer not read", unsent=self._unsent)
            reset(transport)
        else:
            self._watch_writing()


class _HeadTooSlowError(HttpProcessingError):
    """The head of a request was not complete in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(code=408)
        self.seconds = seconds


class _HeadTooLargeError(HttpProcessingError):
    """The head of a request has too many bytes."""


class _FramingTooLargeError(HttpProcessingError):
    """A chunked body has too many bytes beside its content."""

    def __init__(self) -> None:
        super().__init__(code=400)


class _BadFramingError(HttpProcessingError):
    """A request is not HTTP/1.1 (RFC 9112), though aiohttp accepts it."""

    def __init__(self) -> None:
        super().__init__(code=400)


class _UnknownVersionError(HttpProcessingError):
    """A request has another major version of HTTP than 1."""

    def __init__(self) -> None:
        super().__init__(code=505)


class _LimitedParser:
    """aiohttp's parser, with limits on the sizes of heads and framing, and without its leniency.

    aiohttp passes its exceptions to ``handle_error`` once all earlier requests are answered.
    """

    def __init__(self, parser: HttpParser[RawRequestMessage]) -> None:
        self._parser = parser
        self._body: StreamReader = EMPTY_PAYLOAD
        self._head_bytes = 0
        self._body_bytes = 0
        """Bytes of a body with its framing that were received after its head."""
        self._first_line: bytes | None = b""
        """What was received of an incomplete first line; None if it is complete, or not known."""
        self._tail = b""
        """Last bytes of a head whose first line is complete."""
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
        if in_head and data:
            self._check_lines(data, parsed[0])
        if parsed[0]:
            for message, _ in parsed[0]:
                _check_version(message)
            self._body, self._head_bytes = parsed[0][-1][1], 0
            self._body_bytes = self._body.total_bytes
        elif in_head:
            self._head_bytes += len(data)
        else:
            self._body_bytes += len(data)
            framing = self._body_bytes - self._body.total_bytes
            if framing > _MAX_FRAMING_BYTES + _FRAMING_PER_BYTE * self._body.total_bytes:
                raise _FramingTooLargeError
        if self._head_bytes > MAX_HEAD_BYTES:
            raise _HeadTooLargeError
        return parsed

    def _check_lines(
        self, data: bytes, messages: Sequence[tuple[RawRequestMessage, StreamReader]]
    ) -> None:
        """Check the first line of each head whose beginning is known."""
        if self._first_line is not None:
            text, heads = self._first_line + data, messages
        elif messages and messages[-1][1] is EMPTY_PAYLOAD:  # what follows is the next head
            text, heads = (self._tail + data).rpartition(b"\r\n\r\n")[2], ()
        else:
            self._tail = (self._tail + data)[-3:]
            return
        text, self._first_line, self._tail = text.lstrip(b"\r\n"), None, b""
        for _, body in heads:
            _check_request_line(text.partition(b"\r\n")[0])
            if body is not EMPTY_PAYLOAD:
                return
            text = text.partition(b"\r\n\r\n")[2].lstrip(b"\r\n")
        line, end, _ = text.partition(b"\r\n")
        if end:
            _check_request_line(line)
            self._tail = text[-3:]
        else:
            self._first_line = text


def _check_request_line(line: bytes) -> None:
    """Raise an error unless a method, an address and a version have one blank between them."""
    if _REQUEST_LINE(line) is None:
        raise _BadFramingError


def _check_version(message: RawRequestMessage) -> None:
    """Raise an error for what other versions of HTTP would mean."""
    if message.version not in {HttpVersion10, HttpVersion11}:
        raise _UnknownVersionError
    if message.chunked and message.version < HttpVersion11:
        raise _BadFramingError


def _to_problem(  # noqa: PLR0911 -- one for each kind
    error: BaseException | None, status: int
) -> ProblemError:
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
        case _UnknownVersionError():
            return ProblemError(
                "http_version_unsupported", "Use HTTP/1.1.", headers={"Connection": "close"}
            )
        case _FramingTooLargeError():
            detail = "The chunks of the body have too much beside their content."
            return ProblemError("malformed_request", detail, headers={"Connection": "close"})
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
