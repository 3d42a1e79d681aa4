"""A proxy in front of Supabase that records requests and injects faults."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
from aiohttp import web

from tests.support.event_loop_thread import run_on_thread
from tests.support.faults import (
    CREATE_UPLOAD,
    Answer,
    CorruptRequest,
    CutAnswer,
    CutRequest,
    Delay,
    Fault,
    ForgeKey,
    Hang,
    Hold,
    LoseAnswer,
    Requests,
)

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "upgrade"}


class Proxy:
    """The proxy; ``url`` replaces the URL of Supabase."""

    def __init__(self, upstream: str) -> None:
        self.url = ""
        self.seen: list[web.Request] = []
        self.uploads: list[str] = []
        """Paths of all resumable uploads that were created."""
        self.faults: list[Fault] = []
        self._arrival = threading.Condition()
        self._upstream = upstream
        self._session: aiohttp.ClientSession | None = None

    def inject(self, *faults: Fault) -> None:
        """Inject these faults too from now on."""
        self.faults = [*self.faults, *faults]

    def clear_faults(self) -> None:
        """Remove all faults, and release the requests that are held."""
        faults, self.faults = self.faults, []
        for fault in faults:
            if isinstance(fault, Hold):
                fault.release()

    def reset(self, *faults: Fault) -> None:
        """Forget all requests and faults; inject these from now on."""
        self.seen, self.uploads = [], []
        self.clear_faults()
        self.inject(*faults)

    def count(self, requests: Requests) -> int:
        return sum(request in requests for request in self.seen)

    def await_more(self, requests: Requests, *, than: int, seconds: float) -> None:
        """Wait until there are more than ``than`` such requests; fail after ``seconds``."""
        with self._arrival:
            came = self._arrival.wait_for(lambda: self.count(requests) > than, seconds)
        assert came, f"no {requests} in {seconds} seconds"

    @contextlib.contextmanager
    def running(self) -> Iterator["Proxy"]:
        """Serve on a thread of its own."""
        with run_on_thread(self._serve):
            yield self
            self.clear_faults()

    @contextlib.asynccontextmanager
    async def _serve(self) -> AsyncIterator[None]:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._pass)
        timeout = aiohttp.ClientTimeout(total=None)
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(
            timeout=timeout, auto_decompress=False, connector=connector
        ) as self._session:
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield
            finally:
                await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        with self._arrival:
            self.seen.append(request)
            self._arrival.notify_all()
        for fault in self.faults:
            if await fault.matches(request):
                return await self._inject(request, fault)
        return await self._forward(request)

    async def _inject(  # noqa: PLR0911 -- a case for each kind of fault
        self, request: web.Request, fault: Fault
    ) -> web.StreamResponse:
        match fault:
            case Answer():
                await request.read()
                return web.Response(status=fault.status, headers=fault.headers, text=fault.text)
            case CutRequest():
                with contextlib.suppress(aiohttp.ClientError, _CutError):
                    await self._ask(request, cut_after=fault.after)
                return _broken(request)
            case CutAnswer():
                return await self._forward(request, cut_after=fault.after)
            case LoseAnswer():
                await self._ask(request)
                return _broken(request)
            case CorruptRequest():
                await request.read()
                await self._ask(request, content=fault.content)
                return _broken(request)
            case Hang():
                await asyncio.Event().wait()
            case Delay():
                await asyncio.sleep(fault.seconds)
            case ForgeKey():
                return await self._forward(request, key="no-such-key")
            case Hold():
                return await self._held(request, fault)
        return await self._forward(request)

    async def _held(self, request: web.Request, hold: Hold) -> web.StreamResponse:
        answer = await self._ask(request) if hold.after else None
        await hold.pause(request)
        if hold.lose:
            return _broken(request)
        answer = answer or await self._ask(request)
        hold.done.set()
        return answer

    @contextlib.asynccontextmanager
    async def _asked(
        self,
        request: web.Request,
        *,
        cut_after: int | None = None,
        key: str = "",
        content: bytes | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session
        headers: dict[str, str] = _end_to_end(request.headers)
        if key:
            headers = {k: v for k, v in headers.items() if k.lower() != "authorization"}
            headers |= {"apikey": key, "Authorization": f"Bearer {key}"}
        has_body = request.can_read_body or request._read_bytes is not None
        body: Any = _body(request, cut_after) if has_body else None
        if content is not None:
            headers = {k: v for k, v in headers.items() if k.lower() != "content-length"}
            body = content
        async with self._session.request(
            request.method, self._upstream + request.raw_path, headers=headers, data=body
        ) as answer:
            if request in CREATE_UPLOAD and "Location" in answer.headers:
                upload_id = answer.headers["Location"].rpartition("/")[2]
                self.uploads.append(f"{request.path.rstrip('/')}/{upload_id}")
            yield answer

    async def _ask(
        self, request: web.Request, *, cut_after: int | None = None, content: bytes | None = None
    ) -> web.Response:
        async with self._asked(request, cut_after=cut_after, content=content) as answer:
            body = await answer.read()
        headers = _end_to_end(answer.headers)
        if request.method == "HEAD":
            return web.Response(status=answer.status, headers=headers)
        headers.pop("Content-Length", None)
        return web.Response(status=answer.status, headers=headers, body=body)

    async def _forward(
        self, request: web.Request, *, cut_after: int | None = None, key: str = ""
    ) -> web.StreamResponse:
        async with self._asked(request, key=key) as answer:
            headers = _end_to_end(answer.headers)
            if request.method == "HEAD" or answer.status == 204:
                return web.Response(status=answer.status, headers=headers)
            response = web.StreamResponse(status=answer.status, headers=headers)
            with contextlib.suppress(ConnectionError):  # the client has gone
                await response.prepare(request)
                async for chunk in _up_to(cut_after, answer.content.iter_any()):
                    await response.write(chunk)
                if cut_after is not None:
                    return _broken(request)
                await response.write_eof()
            return response


class _CutError(Exception):
    """Ends a request body early."""


def _end_to_end(headers: Any) -> dict[str, str]:
    return {k: v for k, v in headers.items() if k.lower() not in HOP_BY_HOP}


async def _body(request: web.Request, limit: int | None) -> AsyncIterator[bytes]:
    if request._read_bytes is not None:  # read by a fault
        yield request._read_bytes[:limit]
    else:
        async for chunk in _up_to(limit, request.content.iter_any()):
            yield chunk
    if limit is not None:
        raise _CutError


async def _up_to(limit: int | None, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if limit is None:
            yield chunk
        elif len(chunk) < limit:
            limit -= len(chunk)
            yield chunk
        else:
            yield chunk[:limit]
            return


def _broken(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
