"""A proxy in front of Supabase that spoils, delays, loses and holds what it is told to.

Which requests are spoiled is decided by their number or by a seeded dice, so it can be replayed.
"""

import asyncio
import contextlib
import random
import re
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.chaos.loops import on_a_thread

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "upgrade"}
FOR_EVER = 10**9
PATIENCE = 60.0


@dataclass(frozen=True)
class Requests:
    """A kind of request: a method and what the path looks like."""

    method: str
    path: str

    def __contains__(self, request: web.Request) -> bool:
        return bool(re.fullmatch(f"{self.method} {self.path}", f"{request.method} {request.path}"))


def _rpc(function: str) -> Requests:
    return Requests("POST", f"/rest/v1/rpc/{function}")


ANY = Requests("[A-Z]+", ".*")
CREATE_IMPORT = _rpc("create_import")
START_IMPORT = _rpc("start_import")
QUEUE_PARTS = _rpc("queue_messages")
START_PART = _rpc("start_part")
FINISH_PART = _rpc("finish_part")
CONTACTS = Requests("POST", "/rest/v1/contacts")
REJECTIONS = Requests("POST", "/rest/v1/import_rejections")
READ = Requests("GET", "/storage/v1/object/imports/.+")
PUT = Requests("POST", "/storage/v1/object/imports/.+")
CREATE_UPLOAD = Requests("POST", "/storage/v1/upload/resumable/?")
APPEND = Requests("PATCH", "/storage/v1/upload/resumable/.+")
STORAGE = (READ, PUT, CREATE_UPLOAD, APPEND)
WORKERS = (START_IMPORT, QUEUE_PARTS, START_PART, FINISH_PART, CONTACTS, REJECTIONS, READ)


@dataclass
class Rule:
    """Lays hands on some requests: after ``skip`` others, ``times`` in all, by ``chance``."""

    requests: Requests
    skip: int = 0
    times: int = 1
    chance: float = 1.0
    containing: bytes = b""
    dice: random.Random = field(default_factory=lambda: random.Random(0))
    hits: int = 0

    async def takes(self, request: web.Request) -> bool:
        if self.hits >= self.times or request not in self.requests:
            return False
        if self.containing and self.containing not in await request.read():
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.chance < 1 and self.dice.random() >= self.chance:
            return False
        self.hits += 1
        return True


@dataclass
class Answer(Rule):
    """Answers itself."""

    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class CutRequest(Rule):
    """Passes so many bytes of the body on, then breaks both connections."""

    after: int = 0


@dataclass
class CutAnswer(Rule):
    """Passes so many bytes of the answer's body back, then breaks the connection."""

    after: int = 0


@dataclass
class Swallow(Rule):
    """Lets the request be done, but breaks the connection instead of answering."""


@dataclass
class Delay(Rule):
    """Waits before it passes the request on."""

    seconds: float = 0.5


@dataclass
class ForgeKey(Rule):
    """Passes the request on with a key that Supabase does not know."""


@dataclass
class Hold(Rule):
    """A moment: the request waits, before or after it was done, until the test lets it go."""

    after: bool = False
    lose: bool = False
    """Whether the connection is broken in the end; else all goes on as if nothing was."""
    peer: int = 0
    """The port of the process that asked."""
    reached: threading.Event = field(default_factory=threading.Event)
    _go: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    def wait(self) -> None:
        assert self.reached.wait(PATIENCE), f"the moment did not come: {self.requests}"

    def release(self) -> None:
        self.times = 0
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._go.set)

    async def pause(self, request: web.Request) -> None:
        assert request.transport
        self.peer = request.transport.get_extra_info("peername")[1]
        self._loop = asyncio.get_running_loop()
        self.reached.set()
        await self._go.wait()


class Gateway:
    """The running proxy; ``url`` takes the place of the Supabase behind it."""

    def __init__(self, upstream: str) -> None:
        self.url = ""
        self.seen: list[web.Request] = []
        self.another = threading.Condition()
        self._rules: list[Rule] = []
        self._upstream = upstream
        self._session: aiohttp.ClientSession | None = None

    def spoil(self, *rules: Rule) -> None:
        self._rules = [*self._rules, *rules]

    def heal(self) -> None:
        rules, self._rules = self._rules, []
        for rule in rules:
            if isinstance(rule, Hold):
                rule.release()

    def count(self, requests: Requests) -> int:
        return sum(request in requests for request in self.seen)

    def await_more(self, requests: Requests, *, than: int, seconds: float) -> None:
        """Wait until more such requests have come; fail after so many seconds."""
        with self.another:
            came = self.another.wait_for(lambda: self.count(requests) > than, seconds)
        assert came, f"no {requests} in {seconds} seconds"

    @contextlib.contextmanager
    def running(self) -> Iterator["Gateway"]:
        with on_a_thread(self._serve):
            yield self
            self.heal()

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
        with self.another:
            self.seen.append(request)
            self.another.notify_all()
        for rule in self._rules:
            if await rule.takes(request):
                return await self._spoiled(request, rule)
        return await self._forward(request)

    async def _spoiled(  # noqa: PLR0911 -- a case for each kind of rule
        self, request: web.Request, rule: Rule
    ) -> web.StreamResponse:
        match rule:
            case Answer():
                await request.read()
                return web.Response(status=rule.status, headers=rule.headers, text="by order")
            case CutRequest():
                with contextlib.suppress(aiohttp.ClientError, _Broken):
                    await self._ask(request, cut_after=rule.after)
                return _broken(request)
            case CutAnswer():
                return await self._forward(request, cut_after=rule.after)
            case Swallow():
                await self._ask(request)
                return _broken(request)
            case Delay():
                await asyncio.sleep(rule.seconds)
            case ForgeKey():
                return await self._forward(request, key="no-such-key")
            case Hold(after=True):
                answer = await self._ask(request)
                await rule.pause(request)
                return _broken(request) if rule.lose else answer
            case Hold():
                await rule.pause(request)
                if rule.lose:
                    return _broken(request)
        return await self._forward(request)

    @contextlib.asynccontextmanager
    async def _asked(
        self, request: web.Request, *, cut_after: int | None = None, key: str = ""
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session
        headers: dict[str, str] = _end_to_end(request.headers)
        if key:
            headers = {k: v for k, v in headers.items() if k.lower() != "authorization"}
            headers |= {"apikey": key, "Authorization": f"Bearer {key}"}
        has_body = request.can_read_body or request._read_bytes is not None
        body = _body(request, cut_after) if has_body else None
        async with self._session.request(
            request.method, self._upstream + request.raw_path, headers=headers, data=body
        ) as answer:
            yield answer

    async def _ask(self, request: web.Request, *, cut_after: int | None = None) -> web.Response:
        async with self._asked(request, cut_after=cut_after) as answer:
            content = await answer.read()
        headers = _end_to_end(answer.headers)
        if request.method == "HEAD":
            return web.Response(status=answer.status, headers=headers)
        headers.pop("Content-Length", None)
        return web.Response(status=answer.status, headers=headers, body=content)

    async def _forward(
        self, request: web.Request, *, cut_after: int | None = None, key: str = ""
    ) -> web.StreamResponse:
        async with self._asked(request, key=key) as answer:
            headers = _end_to_end(answer.headers)
            if request.method == "HEAD" or answer.status == 204:
                return web.Response(status=answer.status, headers=headers)
            response = web.StreamResponse(status=answer.status, headers=headers)
            with contextlib.suppress(ConnectionError):  # the one who asked is gone
                await response.prepare(request)
                async for chunk in _up_to(cut_after, answer.content.iter_any()):
                    await response.write(chunk)
                if cut_after is not None:
                    return _broken(request)
                await response.write_eof()
            return response


class _Broken(Exception):  # noqa: N818
    """Ends a body before its end."""


def _end_to_end(headers: Any) -> dict[str, str]:
    return {k: v for k, v in headers.items() if k.lower() not in HOP_BY_HOP}


async def _body(request: web.Request, limit: int | None) -> AsyncIterator[bytes]:
    if request._read_bytes is not None:  # a rule has looked into it
        yield request._read_bytes[:limit]
    else:
        async for chunk in _up_to(limit, request.content.iter_any()):
            yield chunk
    if limit is not None:
        raise _Broken


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
