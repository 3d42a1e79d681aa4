"""``GET /import/{jobId}/rejections``: one page in JSON, or all rejections as a CSV file."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import structlog
from aiohttp import web

from core.errors import UpstreamError
from core.ids import MAX_RECORDS, job_id, parse_job_id
from core.rejection_objects import Rejection, RejectionReader
from service.api.content_negotiation import preferred
from service.api.operations import DEFAULT_REJECTIONS, MAX_REJECTIONS
from service.api.pagination import (
    MAX_PAGE_BYTES,
    PAGES_AT_ONCE,
    link_to,
    page_limit,
    parse_number,
    send_slowly,
    single,
)
from service.api.rejection_rows import as_json, columns_of, csv_header, csv_rows
from service.problems import ProblemError, import_not_found
from service.repository import KnownRejections, Repository
from service.resetting import reset

_JSON: Final = "application/json"
_CSV: Final = "text/csv"
_FORMATS: Final = {"json": _JSON, "csv": _CSV}
_CURSOR_DIGITS: Final = len(str(MAX_RECORDS))
_PAGE_ROWS: Final = 250
"""Rejections read at a time for a page: about a megabyte at most."""
_FILE_ROWS: Final = 100
"""And for a CSV file, since many of those may be read slowly."""
_CHUNK_ROWS: Final = 20
"""Rejections of which the lines are made together."""
_WRITE_BYTES: Final = 64 * 1024
"""Bytes of a CSV file written at a time."""
_MAX_FILES: Final = 50
"""CSV files that are sent at a time: each takes a few megabytes as long as its client reads."""
# Rejections are personal data, and their number grows until the import has ended.
_HEADERS: Final = {"Cache-Control": "no-store", "Vary": "Accept"}

_log = structlog.stdlib.get_logger(__name__)


class Objects(Protocol):
    """Reads the objects that hold the rejections beyond those in the table."""

    def read(self, name: str) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of an object, in chunks; raises UpstreamError."""
        ...


class _Batch(NamedTuple):
    plan: dict[str, Any] | None
    """How the import's rows are read, None if its records are not rows."""
    rows: list[Rejection]


class Rejections:
    """Handler of the rejections of an import."""

    def __init__(self, repository: Repository, objects: Objects) -> None:
        self._repository = repository
        self._objects = objects
        self._pages = asyncio.Semaphore(PAGES_AT_ONCE)
        self._file_reads = asyncio.Semaphore(PAGES_AT_ONCE)
        self._files = 0

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Answer with the rejections known so far, in the order of the input."""
        media_type = _media_type(request)
        import_id = parse_job_id(request.match_info["jobId"])
        if import_id is None:
            raise import_not_found()
        if media_type == _CSV:
            return await self._send_counted_file(request, import_id)
        async with self._pages:
            body, link = await self._page(request, import_id)
        return await send_slowly(request, body, _HEADERS | link)

    async def _page(self, request: web.Request, import_id: UUID) -> tuple[bytes, dict[str, str]]:
        """Return the JSON of a page, and the header with the link to the next one."""
        limit = page_limit(request.query, maximum=MAX_REJECTIONS, default=DEFAULT_REJECTIONS)
        rows: list[Rejection] = []
        plan: dict[str, Any] | None = None
        size = 0
        # One more than the page holds shows whether there is a next page.
        read = min(limit + 1, _PAGE_ROWS)
        async with aclosing(self._batches(import_id, _cursor(request), read)) as batches:
            async for batch in batches:
                plan = batch.plan
                rows += batch.rows
                size += sum(len(row.content) for row in batch.rows)
                if len(rows) > limit or size > MAX_PAGE_BYTES:
                    break
        body, cursor = await asyncio.to_thread(as_json, rows, limit, columns_of(plan, ()))
        return body, {"Link": link_to(request, cursor)} if cursor else {}

    async def _send_counted_file(self, request: web.Request, import_id: UUID) -> web.StreamResponse:
        if self._files >= _MAX_FILES:
            raise ProblemError(
                "too_many_downloads", "Send it again in a moment.", headers={"Retry-After": "1"}
            )
        self._files += 1
        try:
            return await self._send_file(request, import_id)
        finally:
            self._files -= 1

    async def _send_file(self, request: web.Request, import_id: UUID) -> web.StreamResponse:
        async with aclosing(self._file(import_id)) as chunks:
            # The first chunk is read before the head is sent: until then an error can be answered.
            header = await anext(chunks)
            response = web.StreamResponse(headers=_HEADERS | _file_headers(import_id))
            await response.prepare(request)
            if request.method != "HEAD":
                try:
                    await self._write(response, header)
                    async for chunk in chunks:
                        await self._write(response, chunk)
                except BaseException as error:
                    _abort(request, error)
                    if not isinstance(error, Exception):
                        raise
        return response

    async def _write(self, response: web.StreamResponse, chunk: bytes) -> None:
        for start in range(0, len(chunk), _WRITE_BYTES):
            await response.write(chunk[start : start + _WRITE_BYTES])

    async def _file(self, import_id: UUID) -> AsyncGenerator[bytes, None]:
        """Yield the CSV file in chunks, the header first."""
        async with aclosing(self._batches(import_id, 0, _FILE_ROWS)) as batches:
            batch: _Batch | None
            async with self._file_reads:
                batch = first = await anext(batches)
            columns = await asyncio.to_thread(columns_of, first.plan, first.rows)
            del first  # else it would stay in memory as long as the client reads
            yield csv_header(columns)
            while batch is not None:
                for start in range(0, len(batch.rows), _CHUNK_ROWS):
                    rows = batch.rows[start : start + _CHUNK_ROWS]
                    yield await asyncio.to_thread(csv_rows, rows, columns)
                async with self._file_reads:
                    batch = await anext(batches, None)

    async def _batches(
        self, import_id: UUID, after: int, limit: int
    ) -> AsyncGenerator[_Batch, None]:
        """Yield the rejections after record ``after`` in input order, up to ``limit`` at a time.

        Yields at least one batch, which may be empty. Raises ProblemError (``import_not_found`` or
        ``rejections_expired``).
        """
        while True:
            found = await self._read(import_id, after, limit)
            rows, stored = found.rejections, found.object
            if stored is not None:
                rows = [row for row in rows if row.record < stored.first_record]
            if rows or stored is None:
                yield _Batch(found.plan, rows)
            if stored is not None and len(rows) < limit:
                async with aclosing(self._stored(stored.name)) as batches:
                    async for batch in batches:
                        yield _Batch(found.plan, [row for row in batch if row.record > after])
                after = stored.last_record
            elif rows:
                after = rows[-1].record
            else:
                return

    async def _stored(self, name: str) -> AsyncGenerator[list[Rejection], None]:
        """Yield the rejections in an object, in batches."""
        reader = RejectionReader()
        async with aclosing(self._objects.read(name)) as chunks:
            async for chunk in chunks:
                batches = reader.feed(chunk)
                while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                    yield batch
        reader.close()

    async def _read(self, import_id: UUID, after: int, limit: int) -> KnownRejections:
        found = await self._repository.show_rejections(import_id, after=after, limit=limit)
        if found is None:
            raise import_not_found()
        if found.expired:
            raise ProblemError(
                "rejections_expired",
                "The rejected records were removed after their time. GET /import/{jobId} has their "
                "numbers by reason; the import can still be undone with DELETE.",
            )
        return found


def _media_type(request: web.Request) -> str:
    """Return the media type that ``format`` names, or else the best one for ``Accept``."""
    name = single(request.query, "format")
    if name is not None:
        if name not in _FORMATS:
            raise ProblemError("format_invalid", f"Use one of: {', '.join(_FORMATS)}.")
        return _FORMATS[name]
    media_type = preferred(request.headers.get("Accept"), list(_FORMATS.values()))
    if media_type is None:
        raise ProblemError("not_acceptable", f"Available: {' and '.join(_FORMATS.values())}.")
    return media_type


def _cursor(request: web.Request) -> int:
    text = single(request.query, "cursor")
    if text is None:
        return 0
    after = parse_number(text, max_digits=_CURSOR_DIGITS)
    if not 1 <= after <= MAX_RECORDS:
        raise ProblemError("cursor_invalid", "Use the value of next from an answer, as it is.")
    return after


def _file_headers(import_id: UUID) -> dict[str, str]:
    name = f"{job_id(import_id)}-rejections.csv"
    return {
        "Content-Type": f"{_CSV}; charset=utf-8; header=present",
        "Content-Disposition": f'attachment; filename="{name}"',
    }


def _abort(request: web.Request, error: BaseException) -> None:
    if not isinstance(error, ConnectionError):
        reason = error.detail if isinstance(error, UpstreamError) else repr(error)
        _log.warning("rejections file incomplete", reason=reason)
    if request.transport is not None:
        reset(request.transport)
