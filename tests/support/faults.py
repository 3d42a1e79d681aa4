"""What can befall a request on its way to Supabase, and which requests there are.

Which of them are spoiled is decided by their number or by a seeded dice, so it can be replayed.
"""

import asyncio
import random
import re
import threading
from dataclasses import dataclass, field

from aiohttp import web

FOR_EVER = 10**9
PATIENCE = 60.0


@dataclass(frozen=True)
class Requests:
    """A kind of request: a method and what the path looks like."""

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
JOIN_IMPORT = rpc("join_import")
DISCARD_IMPORT = rpc("discard_import")
START_IMPORT = rpc("start_import")
QUEUE_PARTS = rpc("queue_messages")
START_PART = rpc("start_part")
CONTACTS = rpc("write_contacts")
END_PART = rpc("(finish_part|write_contacts)")
"""Alone, or with the last contacts; only requests that contain COUNTS do."""
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
    """Lays hands on some requests: after ``skip`` others, ``times`` in all, by ``chance``."""

    requests: Requests
    skip: int = 0
    times: int = 1
    chance: float = 1.0
    containing: bytes = b""
    dice: random.Random = field(default_factory=lambda: random.Random(0))
    hits: int = 0

    @property
    def is_spent(self) -> bool:
        """Whether it has struck as often as it should."""
        return self.hits >= self.times

    async def takes(self, request: web.Request) -> bool:
        if request not in self.requests:
            return False
        if self.containing and self.containing not in await request.read():
            return False
        if self.is_spent:  # looked at last: others may have come while this one was read
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.chance < 1 and self.dice.random() >= self.chance:
            return False
        self.hits += 1
        return True


@dataclass
class Answer(Fault):
    """Answers itself, as a gateway in front of Supabase does."""

    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    text: str = "by order"


@dataclass
class CutRequest(Fault):
    """Passes so many bytes of the body on, then breaks both connections."""

    after: int = 0


@dataclass
class CutAnswer(Fault):
    """Passes so many bytes of the answer's body back, then breaks the connection."""

    after: int = 0


@dataclass
class Swallow(Fault):
    """Lets the request be done, but breaks the connection instead of answering."""


@dataclass
class Garble(Fault):
    """Passes other bytes on than came, and breaks the connection instead of answering."""

    content: bytes = b""


@dataclass
class Hang(Fault):
    """Never answers."""


@dataclass
class Delay(Fault):
    """Waits before it passes the request on."""

    seconds: float = 0.5


@dataclass
class ForgeKey(Fault):
    """Passes the request on with a key that Supabase does not know."""


@dataclass
class Hold(Fault):
    """A moment: the request waits, before or after it was done, until the test lets it go."""

    after: bool = False
    lose: bool = False
    """Whether the connection is broken in the end; else all goes on as if nothing was."""
    peer: int = 0
    """The port of the process that asked."""
    reached: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    """Set when it was answered after all."""
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
