"""``GET /import/{jobId}/rejections``: a page of them in JSON, or all of them as a CSV file."""

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import structlog
from aiohttp import web

from core.errors import UpstreamError
from core.ids import MAX_RECORDS, job_id, parse_job_id
from core.rejection_objects import Rejection, RejectionReader
from service.api.content_negotiation import preferred
from service.api.pagination import link_to, number_in, page_limit, single
from service.api.rejection_rows import as_json, columns_of, csv_header, csv_rows
from service.problems import ProblemError, import_not_found
from service.repository import KnownRejections, Repository

MOST: Final = 1000
USUAL: Final = 100

_JSON: Final = "application/json"
_CSV: Final = "text/csv"
_FORMATS: Final = {"json": _JSON, "csv": _CSV}
_ROWS: Final = 250
"""Of a file, read at a time: a megabyte or so at most."""
_BYTES: Final = 64 * 1024
"""Of a file, written at a time."""
# Whoever the addresses are of; and what an import rejects grows until it ends.
_HEADERS: Final = {"Cache-Control": "no-store", "Vary": "Accept"}
_RESET: Final = struct.pack("ii", 1, 0)

_log = structlog.stdlib.get_logger(__name__)


class Objects(Protocol):
    """Where the rejections are that the table does not keep."""

    def read(self, name: str) -> AsyncGenerator[bytes, None]:
        """The bytes of an object, in pieces; raises UpstreamError."""
        ...


class _Batch(NamedTuple):
    layout: dict[str, Any] | None
    """How the import's records are read, if they are rows."""
    rows: list[Rejection]


class Rejections:
    """Answers for one route."""

    def __init__(self, repository: Repository, objects: Objects, *, write_seconds: float) -> None:
        """``write_seconds`` is how long a client may take nothing of a file."""
        self._repository = repository
        self._objects = objects
        self._write_seconds = write_seconds

    async def show(self, request: web.Request) -> web.StreamResponse:
        """In input order, as far as they are known by now."""
        media_type = _media_type(request)
        import_id = parse_job_id(request.match_info["jobId"])
        if import_id is None:
            raise import_not_found()
        if media_type == _CSV:
            return await self._stream(request, import_id)
        return await self._page(request, import_id)

    async def _page(self, request: web.Request, import_id: UUID) -> web.Response:
        limit = page_limit(request.query, most=MOST, usual=USUAL)
        rows: list[Rejection] = []
        layout: dict[str, Any] | None = None
        async with aclosing(self._batches(import_id, _cursor(request), limit + 1)) as batches:
            async for batch in batches:
                layout = batch.layout
                rows += batch.rows
                if len(rows) > limit:
                    break
        following = str(rows[limit - 1].record) if len(rows) > limit else None
        page, columns = rows[:limit], columns_of(layout, ())
        body = await asyncio.to_thread(as_json, page, columns, following)
        link = {"Link": link_to(request, following)} if following else {}
        return web.Response(body=body, content_type=_JSON, headers=_HEADERS | link)

    async def _stream(self, request: web.Request, import_id: UUID) -> web.StreamResponse:
        async with aclosing(self._file(import_id)) as pieces:
            header = await anext(pieces)
            response = web.StreamResponse(headers=_HEADERS | _file_headers(import_id))
            await response.prepare(request)
            if request.method != "HEAD":
                await self._send(request, response, header, pieces)
        return response

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        header: bytes,
        pieces: AsyncIterator[bytes],
    ) -> None:
        try:
            await self._write(response, header)
            async for piece in pieces:
                await self._write(response, piece)
        except BaseException as error:
            # It is too late to answer with a problem.
            _cut(request, error)
            if not isinstance(error, Exception):
                raise

    async def _write(self, response: web.StreamResponse, piece: bytes) -> None:
        for start in range(0, len(piece), _BYTES):
            async with asyncio.timeout(self._write_seconds):
                await response.write(piece[start : start + _BYTES])

    async def _file(self, import_id: UUID) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._batches(import_id, 0, _ROWS)) as batches:
            first = await anext(batches)
            columns = await asyncio.to_thread(columns_of, first.layout, first.rows)
            yield csv_header(columns)
            yield await asyncio.to_thread(csv_rows, first.rows, columns)
            async for batch in batches:
                yield await asyncio.to_thread(csv_rows, batch.rows, columns)

    async def _batches(
        self, import_id: UUID, after: int, limit: int
    ) -> AsyncGenerator[_Batch, None]:
        """The rejections after a record, in input order, some at a time.

        There is one batch at least, which may be empty.
        """
        while True:
            found = await self._read(import_id, after, limit)
            rows, stored = found.rejections, found.object
            if stored is not None:
                rows = [row for row in rows if row.record < stored.first_record]
            if rows or stored is None:
                yield _Batch(found.layout, rows)
            if stored is not None and len(rows) < limit:
                async with aclosing(self._stored(stored.name)) as batches:
                    async for batch in batches:
                        yield _Batch(found.layout, [row for row in batch if row.record > after])
                after = stored.last_record
            elif rows:
                after = rows[-1].record
            else:
                return

    async def _stored(self, name: str) -> AsyncGenerator[list[Rejection], None]:
        """The rejections in an object, some at a time."""
        reader = RejectionReader()
        async with aclosing(self._objects.read(name)) as pieces:
            async for piece in pieces:
                batches = reader.feed(piece)
                while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                    yield batch
        reader.close()

    async def _read(self, import_id: UUID, after: int, limit: int) -> KnownRejections:
        found = await self._repository.show_rejections(import_id, after=after, limit=limit)
        if found is None:
            raise import_not_found()
        return found


def _media_type(request: web.Request) -> str:
    named = single(request.query, "format")
    if named is not None:
        if named not in _FORMATS:
            raise ProblemError("format_invalid", f"Use one of: {', '.join(_FORMATS)}.")
        return _FORMATS[named]
    found = preferred(request.headers.get("Accept"), list(_FORMATS.values()))
    if found is None:
        raise ProblemError("not_acceptable", f"There is {' and '.join(_FORMATS.values())}.")
    return found


def _cursor(request: web.Request) -> int:
    text = single(request.query, "cursor")
    if text is None:
        return 0
    after = number_in(text, longest=11)
    if not 1 <= after <= MAX_RECORDS:
        raise ProblemError("cursor_invalid", "Use the value of next from an answer, as it is.")
    return after


def _file_headers(import_id: UUID) -> dict[str, str]:
    name = f"{job_id(import_id)}-rejections.csv"
    return {
        "Content-Type": f"{_CSV}; charset=utf-8; header=present",
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
    }


def _cut(request: web.Request, error: BaseException) -> None:
    """End the connection so that no client can take what it has for the whole file.

    One of HTTP/1.0 has nothing but the connection's end to know the file's end by: it is reset.
    """
    if not isinstance(error, ConnectionError):
        reason = error.detail if isinstance(error, UpstreamError) else repr(error)
        _log.warning("file of rejections cut short", reason=reason)
    if request.transport is not None:
        peer = request.transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        request.transport.abort()
