"""The kinds of requests to Supabase, and the faults that a proxy can inject into them.

Which requests are affected depends on their number or on a seeded generator, so a run can be
replayed.
"""

import asyncio
import random
import re
import threading
from dataclasses import dataclass, field

from aiohttp import web

FOR_EVER = 10**9
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Requests:
    """A kind of request: regular expressions for its method and its path."""

    method: str
    path: str

    def __contains__(self, request: web.Request) -> bool:
        return bool(re.fullmatch(f"{self.method} {self.path}", f"{request.method} {request.path}"))


def rpc(function: str) -> Requests:
    return Requests("POST", f"/rest/v1/rpc/{function}")


ANY = Requests("[A-Z]+", ".*")
STORAGE = Requests("[A-Z]+", "/storage/v1/.*")
DATABASE = Requests("[A-Z]+", "/rest/v1/.*")
CREATE_IMPORT = rpc("create_import")
NOTE_UPLOAD = rpc("note_upload")
JOIN_IMPORT = rpc("join_import")
DISCARD_IMPORT = rpc("discard_import")
START_IMPORT = rpc("start_import")
QUEUE_PARTS = rpc("queue_messages")
START_PART = rpc("start_part")
CONTACTS = rpc("write_contacts")
END_PART = rpc("(finish_part|write_contacts)")
"""Ends a part, if the request contains COUNTS; ``write_contacts`` may, with its last rows."""
COUNTS = b'imported":'
REJECTIONS = rpc("write_rejections")
UNDO_SOME = rpc("undo_some")
FINISH_UNDO = rpc("finish_undo")
BUCKET = Requests("GET", "/storage/v1/bucket/.+")
READ = Requests("GET", "/storage/v1/object/imports/.+")
INFO = Requests("GET", "/storage/v1/object/info/imports/.+")
PUT = Requests("POST", "/storage/v1/object/imports/.+")
REMOVE = Requests("DELETE", "/storage/v1/object/imports")
CREATE_UPLOAD = Requests("POST", "/storage/v1/upload/resumable/?")
APPEND = Requests("PATCH", "/storage/v1/upload/resumable/.+")
PROGRESS = Requests("HEAD", "/storage/v1/upload/resumable/.+")
CANCEL_UPLOAD = Requests("DELETE", "/storage/v1/upload/resumable/.+")


@dataclass
class Fault:
    """Affects up to ``times`` requests, after ``skip`` others, with a probability of ``chance``."""

    requests: Requests
    skip: int = 0
    times: int = 1
    chance: float = 1.0
    containing: bytes = b""
    """What the body must contain."""
    byte_start: int | None = None
    """Where a requested range must start."""
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    hits: int = 0

    @property
    def is_spent(self) -> bool:
        """Whether it has affected as many requests as it should."""
        return self.hits >= self.times

    async def matches(self, request: web.Request) -> bool:
        """Whether this request is affected; counts it if so."""
        if request not in self.requests or not self._has_range(request):
            return False
        if self.containing and self.containing not in await request.read():
            return False
        if self.is_spent:  # checked last: others may have arrived while this one was read
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.chance < 1 and self.rng.random() >= self.chance:
            return False
        self.hits += 1
        return True

    def _has_range(self, request: web.Request) -> bool:
        wanted = "" if self.byte_start is None else f"bytes={self.byte_start}-"
        return request.headers.get("Range", "").startswith(wanted)


@dataclass
class Answer(Fault):
    """Answers in place of Supabase, as a gateway does."""

    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    text: str = "by order"


@dataclass
class CutRequest(Fault):
    """Forwards ``after`` bytes of the body, then breaks both connections."""

    after: int = 0


@dataclass
class CutAnswer(Fault):
    """Returns ``after`` bytes of the answer's body, then breaks the connection."""

    after: int = 0


@dataclass
class LoseAnswer(Fault):
    """Forwards the request, but breaks the connection instead of answering."""


@dataclass
class CorruptRequest(Fault):
    """Forwards another body, and breaks the connection instead of answering."""

    content: bytes = b""


@dataclass
class Hang(Fault):
    """Never answers."""


@dataclass
class Delay(Fault):
    """Waits before it forwards the request."""

    seconds: float = 0.5


@dataclass
class ForgeKey(Fault):
    """Forwards the request with an API key that Supabase does not know."""


@dataclass
class Hold(Fault):
    """Holds a request, before or after Supabase has processed it, until the test releases it."""

    after: bool = False
    lose: bool = False
    """Whether the connection is broken on release; otherwise the answer is returned."""
    peer: int = 0
    """The port of the client's end of the connection."""
    reached: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    """Set when the answer was returned."""
    _go: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    def wait(self) -> None:
        """Wait until a request is held."""
        assert self.reached.wait(TIMEOUT_SECONDS), f"no such request: {self.requests}"

    def release(self) -> None:
        """Let the held request go on, and hold no other."""
        self.times = 0
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._go.set)

    async def pause(self, request: web.Request) -> None:
        assert request.transport
        self.peer = request.transport.get_extra_info("peername")[1]
        self._loop = asyncio.get_running_loop()
        self.reached.set()
        await self._go.wait()
