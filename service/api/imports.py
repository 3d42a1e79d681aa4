"""The answers to requests."""

import asyncio
from collections.abc import Awaitable
from typing import Final

import structlog
from aiohttp import HttpVersion11, web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from core.errors import MalformedInputError, UpstreamError
from core.ids import job_id
from service.api.middleware import to_problem
from service.api.readiness import StorageCheck
from service.api.schemas import Accepted, Check, Health, Readiness, json_answer
from service.intake.accept import Intake
from service.intake.multipart import multipart_submission
from service.intake.request import MULTIPART, Limits, body_submission, broken_off, check_head
from service.intake.submission import Submission
from service.metrics import ServiceMetrics
from service.problems import ProblemError
from service.repository import ExistingImport, NewImport, Repository

_READY_SECONDS: Final = 5.0

_log = structlog.stdlib.get_logger(__name__)


class Handlers:
    """One method for each route; what they need is given, nothing is looked up."""

    def __init__(
        self,
        *,
        intake: Intake,
        repository: Repository,
        storage: StorageCheck,
        metrics: ServiceMetrics,
        limits: Limits,
    ) -> None:
        self._intake = intake
        self._repository = repository
        self._storage = storage
        self._metrics = metrics
        self._limits = limits

    async def accept(self, request: web.Request) -> web.Response:
        """``POST /import``: 202 once the object is stored and the import is queued."""
        check_head(request, self._limits)
        self._check_room()
        self._intake.begin()
        with self._metrics.upload():
            submission = await self._submission(request)
            accepted = await self._intake.accept(submission)
        self._tell(accepted)
        job = job_id(accepted.id)
        url = f"/import/{job}"
        headers = {"Location": url}
        if isinstance(accepted, ExistingImport):
            headers["Idempotent-Replayed"] = "true"
        # An earlier import is of a request with the same options.
        answer = Accepted(job_id=job, url=url, dry_run=submission.options.dry_run)
        return json_answer(answer, status=202, headers=headers)

    def _tell(self, accepted: NewImport | ExistingImport) -> None:
        if isinstance(accepted, ExistingImport):
            self._metrics.repeated.inc()
            _log.info("request repeated", import_id=str(accepted.id))
            return
        split = accepted.split
        self._metrics.accepted.labels(format=split.format).inc()
        _log.info(
            "import accepted",
            import_id=str(accepted.id),
            source=accepted.source,
            format=split.format.value,
            bytes=split.bytes,
            records=split.records,
            parts=len(split.parts),
            dry_run=accepted.options.dry_run,
        )

    def _check_room(self) -> None:
        wait = {"Retry-After": "1"}
        if self._intake.draining:
            raise ProblemError("shutting_down", "Send it again.", headers=wait)
        if self._intake.running >= self._limits.uploads:
            raise ProblemError("too_many_uploads", "Send it again in a moment.", headers=wait)

    async def expect(self, request: web.Request) -> web.StreamResponse | None:
        """``Expect: 100-continue`` (RFC 9110, 10.1.1): refuse before the client sends the body."""
        if request.version < HttpVersion11:
            return None  # the RFC has it ignored
        if request.headers.get("Expect", "").lower() != "100-continue":
            return ProblemError(
                "expectation_failed", "Only 100-continue can be expected."
            ).response()
        try:
            check_head(request, self._limits)
            self._check_room()
            await _invite(request)
        except (ProblemError, MalformedInputError) as error:
            problem = to_problem(error)
            self._metrics.refuse(request.content_type, problem.code)
            return problem.response()
        return None

    async def health(self, _: web.Request) -> web.Response:
        """``GET /healthz``: the process lives."""
        return json_answer(Health())

    async def ready(self, _: web.Request) -> web.Response:
        """``GET /readyz``: Storage takes uploads, PostgREST and the queue answer."""
        checks = {"storage": self._storage(), "database": self._repository.check()}
        passed = await asyncio.gather(*map(_passes, checks.values()))
        told: dict[str, Check] = {
            part: "ok" if ok else "away" for part, ok in zip(checks, passed, strict=True)
        }
        away = [part for part, word in told.items() if word == "away"]
        if away:
            raise ProblemError(
                f"{away[0]}_unavailable",
                f"Not ready: {' and '.join(away)}.",
                headers={"Retry-After": "5"},
                checks=told,
            )
        return json_answer(Readiness(checks=told))

    async def metrics(self, _: web.Request) -> web.Response:
        """``GET /metrics``: counters in Prometheus' text format."""
        return web.Response(
            body=generate_latest(self._metrics.registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )

    async def _submission(self, request: web.Request) -> Submission:
        count = self._metrics.received.inc
        if request.content_type == MULTIPART:
            return await multipart_submission(request, self._limits, count)
        return body_submission(request, self._limits, count)


async def _invite(request: web.Request) -> None:
    try:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    except ConnectionError as error:
        raise broken_off() from error
    # Interim: the head of the answer is still to come.
    request.writer.output_size = 0


async def _passes(check: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await check
    except (UpstreamError, TimeoutError) as error:
        _log.warning("not ready", reason=str(error))
        return False
    return True
