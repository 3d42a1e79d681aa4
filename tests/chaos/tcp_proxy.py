"""A TCP proxy in front of Postgres that can refuse, cut and stall connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from tests.support.event_loop_thread import run_on_thread


class TcpProxy:
    """The proxy; ``port`` replaces the port of Postgres."""

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self._behind = host, port
        self._refusing = False
        self._open: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def refuse(self) -> None:
        """Break all connections, and refuse new ones."""
        self._refusing = True
        self.cut()

    def cut(self) -> None:
        """Break all connections with a reset."""
        self._call(self._abort_all)

    def stall(self) -> None:
        """Keep all connections, but forward nothing."""
        self._call(self._flows.clear)

    def clear_faults(self) -> None:
        """Forward everything again."""
        self._refusing = False
        self._call(self._flows.set)

    @contextlib.contextmanager
    def running(self) -> Iterator["TcpProxy"]:
        with run_on_thread(self._serve) as self._loop:
            yield self

    def _call(self, do: object) -> None:
        assert self._loop
        assert callable(do)
        self._loop.call_soon_threadsafe(do)

    def _abort_all(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    @contextlib.asynccontextmanager
    async def _serve(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            self._abort_all()
            await asyncio.sleep(0)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = None if self._refusing else await _connected(*self._behind)
            if there is None:
                writer.transport.abort()
                return
            ends = {writer, there[1]}
            self._open |= ends
            await asyncio.gather(self._pump(reader, there[1]), self._pump(there[0], writer))
            self._open -= ends
        except asyncio.CancelledError:
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort() if writer.transport.is_closing() else writer.close()


async def _connected(
    host: str, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    try:
        return await asyncio.open_connection(host, port)
    except OSError:
        return None
