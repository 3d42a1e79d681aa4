"""``/import``: accepts imports, shows them, and retries, cancels or undoes them."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
import structlog
from aiohttp import web

from core.errors import ExpiredError, InvalidTransitionError
from core.ids import job_id, parse_job_id
from core.job_view import Job, job_view, plan_warnings
from core.retention import Retention
from core.states import ImportState
from service.api.operations import DEFAULT_IMPORTS, MAX_IMPORTS
from service.api.pagination import PAGES_AT_ONCE, link_to, page_limit, send_slowly, single, that_fit
from service.api.schemas import Accepted, ImportsPage, json_answer, json_body
from service.api.uploads import Uploads
from service.intake.accept import Intake
from service.keys.identity import key_name
from service.metrics import ServiceMetrics
from service.option_names import check_source
from service.problems import ProblemError, import_not_found
from service.repository import ExistingImport, NewImport, Repository

_GetJob = Callable[[UUID], Awaitable[dict[str, Any] | None]]

_log = structlog.stdlib.get_logger(__name__)


class Imports:
    """One handler for each route."""

    def __init__(
        self,
        intake: Intake,
        repository: Repository,
        metrics: ServiceMetrics,
        uploads: Uploads,
        retention: Retention,
    ) -> None:
        self._retention = retention
        self._intake = intake
        self._repository = repository
        self._metrics = metrics
        self.uploads = uploads
        self._pages = asyncio.Semaphore(PAGES_AT_ONCE)

    async def accept(self, request: web.Request) -> web.Response:
        """``POST /import``: 202 once the object is stored and the import is queued."""
        import_request, body = await self.uploads.open(request)
        accepted = await self._intake.accept(import_request, body)

        job = job_id(accepted.id)
        url = f"{request.path}/{job}"
        headers = {"Location": url}
        if isinstance(accepted, ExistingImport):
            self._metrics.repeated.inc()
            _log.info("request repeated", job_id=job)
            headers["Idempotent-Replayed"] = "true"
        else:
            self._metrics.accepted.labels(format=accepted.split.format).inc()
            _log_accepted(accepted)
        # An existing import was made by a request with the same options.
        answer = Accepted(
            job_id=job,
            url=url,
            dry_run=import_request.options.dry_run,
            warnings=plan_warnings(
                msgspec.to_builtins(accepted.plan.warnings if accepted.plan else ())
            ),
        )
        return json_answer(answer, status=202, headers=headers)

    async def list(self, request: web.Request) -> web.StreamResponse:
        """``GET /import``: a page of imports, the newest first."""
        limit = page_limit(request.query, maximum=MAX_IMPORTS, default=DEFAULT_IMPORTS)
        state, source, before = _state(request), _source(request), _cursor(request)
        async with self._pages:
            # One more shows whether there is a next page.
            imports = await self._repository.list_imports(
                state=state, source=source, before=before, limit=limit + 1
            )
            jobs = [job_view(each, self._retention) for each in imports]
            page = that_fit(jobs, limit, _size_of)
            cursor = page[-1].job_id if len(jobs) > len(page) else None
            headers = {"Link": link_to(request, cursor)} if cursor else {}
            body = json_body(ImportsPage(imports=[*page], next=cursor))
        return await send_slowly(request, body, headers)

    async def show(self, request: web.Request) -> web.Response:
        """``GET /import/{jobId}``: the import's state, counts and failures."""
        found = await _get(self._repository.get_import, request)
        return json_answer(job_view(found, self._retention))

    async def retry(self, request: web.Request) -> web.Response:
        """``POST /import/{jobId}/retry``: import the failed parts again, and only those."""
        return await self._transition(
            request, "retry", self._repository.retry_import, if_invalid="not_failed"
        )

    async def cancel(self, request: web.Request) -> web.Response:
        """``POST /import/{jobId}/cancel``: stop between two batches; imported contacts stay."""
        cancel = partial(self._repository.cancel_import, key_name=key_name(request))
        return await self._transition(request, "cancel", cancel, if_invalid="import_ended")

    async def undo(self, request: web.Request) -> web.Response:
        """``DELETE /import/{jobId}``: remove its contacts, its rejections and its object."""
        undo = partial(self._repository.undo_import, key_name=key_name(request))
        return await self._transition(request, "undo", undo, if_invalid="import_ended")

    async def _transition(
        self, request: web.Request, name: str, change: _GetJob, *, if_invalid: str
    ) -> web.Response:
        """Change an import's state; ``if_invalid`` is the problem of a state that forbids it."""
        try:
            job = job_view(await _get(change, request), self._retention)
        except InvalidTransitionError:
            state = (await _get(self._repository.get_import, request))["state"]
            raise ProblemError(if_invalid, f"Its state is {state}.", state=state) from None
        except ExpiredError:
            raise ProblemError(
                "object_expired",
                "The stored file has been removed. The contacts that were imported stay; "
                "undo the import with DELETE to remove them, or send the file again to import the "
                "rest.",
            ) from None
        self._metrics.transitions.labels(transition=name).inc()
        _log.info("transition accepted", transition=name, job_id=job.job_id, state=job.state.value)
        return json_answer(job, status=200 if job.state is ImportState.UNDONE else 202)


def _size_of(job: Job) -> int:
    return len(msgspec.json.encode(job))


def _log_accepted(new: NewImport) -> None:
    _log.info(
        "import accepted",
        job_id=job_id(new.id),
        source=new.source,
        format=new.split.format.value,
        bytes=new.split.bytes,
        records=new.split.records,
        parts=len(new.split.parts),
        dry_run=new.request.options.dry_run,
    )


async def _get(get: _GetJob, request: web.Request) -> dict[str, Any]:
    import_id = parse_job_id(request.match_info["jobId"])
    job = await get(import_id) if import_id else None
    if job is None:
        raise import_not_found()
    return job


def _state(request: web.Request) -> str | None:
    state = single(request.query, "state")
    if state is not None and state not in set(ImportState):
        raise ProblemError("state_invalid", f"Use one of: {', '.join(ImportState)}.")
    return state


def _source(request: web.Request) -> str | None:
    source = single(request.query, "source")
    return None if source is None else check_source(source)


def _cursor(request: web.Request) -> UUID | None:
    cursor = single(request.query, "cursor")
    if cursor is None:
        return None
    before = parse_job_id(cursor)
    if before is None:
        raise ProblemError("cursor_invalid", "Use the value of next from an answer, as it is.")
    return before
