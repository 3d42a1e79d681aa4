"""The answers to requests about imports that were accepted: what they are, and what can be done."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import structlog
from aiohttp import web

from core.errors import InvalidTransitionError
from core.ids import parse_job_id
from core.job_view import job_view
from core.states import ImportState
from service.api.operations import DEFAULT_IMPORTS, MAX_IMPORTS
from service.api.pagination import link_to, page_limit, single
from service.api.schemas import ImportsPage, json_answer
from service.metrics import ServiceMetrics
from service.options import check_source
from service.problems import ProblemError, import_not_found
from service.repository import Repository

_log = structlog.stdlib.get_logger(__name__)


class Jobs:
    """One method for each route below ``/import`` that takes nothing in."""

    def __init__(self, repository: Repository, metrics: ServiceMetrics) -> None:
        self._repository = repository
        self._metrics = metrics

    async def list(self, request: web.Request) -> web.Response:
        """``GET /import``: imports, the newest first, a page at a time."""
        limit = page_limit(request.query, maximum=MAX_IMPORTS, default=DEFAULT_IMPORTS)
        found = await self._repository.list_imports(
            state=_state(request), source=_source(request), before=_cursor(request), limit=limit + 1
        )
        page = [job_view(row) for row in found[:limit]]
        after = page[-1].job_id if len(found) > limit else None
        headers = {"Link": link_to(request, after)} if after else {}
        return json_answer(ImportsPage(imports=page, next=after), headers=headers)

    async def show(self, request: web.Request) -> web.Response:
        """``GET /import/{jobId}``: what has become of an import."""
        return json_answer(job_view(await _found(self._repository.get_import, request)))

    async def retry(self, request: web.Request) -> web.Response:
        """``POST /import/{jobId}/retry``: the failed parts again, and only those."""
        return await self._move("retry", self._repository.retry_import, request, "not_failed")

    async def cancel(self, request: web.Request) -> web.Response:
        """``POST /import/{jobId}/cancel``: stop between two batches; what is in stays."""
        return await self._move("cancel", self._repository.cancel_import, request, "import_ended")

    async def undo(self, request: web.Request) -> web.Response:
        """``DELETE /import/{jobId}``: its contacts, rejections and object go."""
        return await self._move("undo", self._repository.undo_import, request, "import_ended")

    async def _move(
        self, move: str, make: "_Call", request: web.Request, refusal: str
    ) -> web.Response:
        try:
            job = job_view(await _found(make, request))
        except InvalidTransitionError:
            state = (await _found(self._repository.get_import, request))["state"]
            raise ProblemError(refusal, f"Its state is {state}.", state=state) from None
        self._metrics.moves.labels(move=move).inc()
        _log.info("import moved", move=move, job=job.job_id, state=job.state.value)
        return json_answer(job, status=200 if job.state == ImportState.UNDONE else 202)


_Call = Callable[[UUID], Awaitable[dict[str, Any] | None]]


async def _found(ask: _Call, request: web.Request) -> dict[str, Any]:
    import_id = parse_job_id(request.match_info["jobId"])
    found = await ask(import_id) if import_id else None
    if found is None:
        raise import_not_found()
    return found


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
    before = None if cursor is None else parse_job_id(cursor)
    if cursor is not None and before is None:
        raise ProblemError("cursor_invalid", "Use the value of next from an answer, as it is.")
    return before
