"""Keeps a server running: restarts it when it ends, as a platform does."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Protocol

from embedded.errors import StackError
from embedded.processes import Child

DELAY = 1.0

logger = logging.getLogger(__name__)


class Server(Protocol):
    """A server that can be started, also again."""

    async def start(self) -> Child:
        """Start it, without waiting until it is ready."""
        ...

    async def ready(self, child: Child) -> None:
        """Wait until it answers."""
        ...


@contextlib.asynccontextmanager
async def kept_running(name: str, server: Server) -> AsyncIterator[None]:
    """Start a server, keep it running, and stop it at the end."""
    supervised = _SupervisedServer(name, server, await server.start())
    try:
        await _ready(name, server, supervised.child)
        watch = asyncio.create_task(supervised.watch(), name=f"watch {name}")
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.wait([watch])
    finally:
        await supervised.child.stop()


async def _ready(name: str, server: Server, child: Child) -> None:
    try:
        await server.ready(child)
    except TimeoutError as error:
        raise StackError(f"{name} does not answer.") from error


class _SupervisedServer:
    """A server and its current process."""

    def __init__(self, name: str, server: Server, child: Child) -> None:
        self._name = name
        self._server = server
        self.child = child

    async def watch(self) -> None:
        while True:
            code = await self.child.wait()
            logger.warning("%s ended by itself (code %d); starting it again.", self._name, code)
            await asyncio.sleep(DELAY)
            await self._start_again()

    async def _start_again(self) -> None:
        self.child = await self._server.start()
        try:
            await _ready(self._name, self._server, self.child)
        except StackError as error:
            logger.warning("%s is not ready: %s", self._name, error)
        else:
            logger.warning("%s answers again.", self._name)
