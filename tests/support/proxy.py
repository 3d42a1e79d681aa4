"""A gateway in front of Supabase that fails the requests it is told to fail, and remembers all."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

TUS = "/storage/v1/upload/resumable"
OBJECT = "/storage/v1/object/imports"
CREATE_IMPORT = "/rest/v1/rpc/create_import"


@dataclass
class Fault:
    """Spoils requests of one method whose path begins so: after ``skip`` good ones, ``times``."""

    method: str
    path: str
    skip: int = 0
    times: int = 1

    def hits(self, request: web.Request) -> bool:
        if request.method != self.method or not request.path.startswith(self.path):
            return False
        self.skip -= 1
        if self.skip >= 0 or self.times == 0:
            return False
        self.times -= 1
        return True


@dataclass
class Answer(Fault):
    """Answers itself."""

    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Cut(Fault):
    """Passes so many bytes of the body on, then breaks both connections."""

    after: int = 0


@dataclass
class Swallow(Fault):
    """Lets the request be done, but breaks the connection instead of answering."""


@dataclass
class Hang(Fault):
    """Never answers."""


FOR_EVER = 10**9
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "upgrade"}


class Proxy:
    """A running proxy; ``url`` takes the place of the Supabase behind it."""

    def __init__(self, upstream: str) -> None:
        self.url = ""
        self.uploads: list[str] = []
        """Paths of all resumable uploads that were begun."""
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.seen = threading.Event()
        """Set whenever another request comes; clear it to wait for the next one."""
        self._upstream = upstream
        self._session: aiohttp.ClientSession | None = None

    def reset(self, *faults: Fault) -> None:
        """Forget what was, and spoil these from now on."""
        self.uploads, self.requests, self.faults = [], [], list(faults)

    def count(self, method: str, path: str) -> int:
        return sum(one == method and other.startswith(path) for one, other in self.requests)

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._pass)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as self._session:
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield
            finally:
                await runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        self.seen.set()
        fault = next((fault for fault in self.faults if fault.hits(request)), None)
        match fault:
            case Answer():
                await request.read()
                return web.Response(status=fault.status, headers=fault.headers, text="by order")
            case Hang():
                await asyncio.Event().wait()
            case Cut():
                with contextlib.suppress(aiohttp.ClientError, _Broken):
                    await self._forward(request, fault.after)
                return _broken(request)
            case Swallow():
                await self._forward(request)
                return _broken(request)
        return await self._forward(request)

    async def _forward(self, request: web.Request, limit: int | None = None) -> web.Response:
        assert self._session
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        body = _body(request, limit) if request.can_read_body else None
        async with self._session.request(
            request.method, self._upstream + request.raw_path, headers=headers, data=body
        ) as answer:
            content = await answer.read()
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
        if request.method == "POST" and request.path == TUS and "Location" in kept:
            self.uploads.append(f"{TUS}/{kept['Location'].rsplit('/', 1)[1]}")
        if request.method == "HEAD":
            return web.Response(status=answer.status, headers=kept)
        kept.pop("Content-Length", None)
        return web.Response(status=answer.status, headers=kept, body=content)


class _Broken(Exception):  # noqa: N818
    """Ends a body before its end."""


async def _body(request: web.Request, limit: int | None) -> AsyncIterator[bytes]:
    passed = 0
    async for chunk in request.content.iter_any():
        if limit is not None and passed + len(chunk) >= limit:
            yield chunk[: limit - passed]
            raise _Broken
        passed += len(chunk)
        yield chunk


def _broken(request: web.Request) -> web.Response:
    assert request.transport
    request.transport.abort()
    return web.Response()


@contextlib.contextmanager
def running_proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy on a thread of its own, for tests of any kind."""
    proxy, ready = Proxy(upstream), threading.Event()
    stops: list[Callable[[], object]] = []

    async def serve() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        async with proxy.serve():
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        yield proxy
    finally:
        for stop in stops:
            stop()
        thread.join()
