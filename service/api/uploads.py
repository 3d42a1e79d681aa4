"""Requests with a body of contacts: their head, their place among the uploads, their body."""

from typing import Final

from aiohttp import HttpVersion11, web

from core.errors import MalformedInputError
from service.api.client_address import ClientAddresses
from service.api.middleware import to_problem
from service.intake.accept import Intake
from service.intake.body import Body, receive, truncated_body
from service.intake.limits import Limits
from service.intake.minimum_rate import MinimumRate
from service.intake.multipart import read_form
from service.intake.places import UploadPlaces
from service.intake.request import FormHead, ImportRequest, read_head
from service.metrics import ServiceMetrics
from service.problems import ProblemError

HEAD: Final[web.RequestKey[ImportRequest | FormHead]] = web.RequestKey("head")
"""The head of a request whose ``Expect`` header was answered."""


class Uploads:
    """Opens the bodies of the requests of one route."""

    def __init__(  # noqa: PLR0913 -- all that a body is read with
        self,
        intake: Intake,
        metrics: ServiceMetrics,
        limits: Limits,
        places: UploadPlaces,
        addresses: ClientAddresses,
        *,
        needs_source: bool = True,
    ) -> None:
        """``needs_source`` is whether a request without a source is rejected."""
        self._intake = intake
        self._places = places
        self._addresses = addresses
        self._metrics = metrics
        self._limits = limits
        self._needs_source = needs_source

    async def open(self, request: web.Request) -> tuple[ImportRequest, Body]:
        """Take one of the places for uploads until the current task ends; return the body to read.

        Raises ProblemError or MalformedInputError for what is wrong with the head, or with a form
        up to its file.
        """
        head = request.get(HEAD) or self._read_head(request)
        self._check_running()
        rate = MinimumRate(request.content, self._limits.idle_seconds, self._places.least_rate)
        self._places.take(self._addresses.client(request), rate)
        self._intake.register_request()
        pieces = receive(request.content, self._limits, self._metrics.received.inc, rate)
        if isinstance(head, FormHead):
            return await read_form(head, pieces, self._limits)
        return head, Body(pieces, head.compression, self._limits)

    async def expect(self, request: web.Request) -> web.StreamResponse | None:
        """``Expect: 100-continue`` (RFC 9110, 10.1.1): reject before the client sends the body."""
        if request.version < HttpVersion11:
            return None  # the RFC says to ignore it
        if request.headers.get("Expect", "").lower() != "100-continue":
            return ProblemError(
                "expectation_failed", "The only expectation that is met is 100-continue."
            ).response()
        try:
            request[HEAD] = self._read_head(request)
            self._check_running()
            self._places.check(self._addresses.client(request))
            await _send_continue(request)
        except (ProblemError, MalformedInputError) as error:
            problem = to_problem(error)
            self._metrics.count_problem(problem.code)
            self._metrics.count_rejected(request.content_type, problem.code)
            return problem.response()
        return None

    def _read_head(self, request: web.Request) -> ImportRequest | FormHead:
        return read_head(request, self._limits, needs_source=self._needs_source)

    def _check_running(self) -> None:
        if self._intake.draining:
            headers = {"Retry-After": "1"}
            raise ProblemError("shutting_down", "Send it again.", headers=headers)


async def _send_continue(request: web.Request) -> None:
    try:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    except ConnectionError as error:
        raise truncated_body() from error
    # aiohttp takes any output for the head of the response, which is still to come.
    request.writer.output_size = 0
