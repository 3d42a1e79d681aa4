"""Runs an event loop on a thread of its own, for proxies beside tests that block."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager


@contextlib.contextmanager
def run_on_thread(
    serve: Callable[[], AbstractAsyncContextManager[None]],
) -> Iterator[asyncio.AbstractEventLoop]:
    """Run ``serve`` on its own thread until the end of the block; gives the event loop."""
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def run() -> None:
        async with serve():
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=[run()])
    thread.start()
    try:
        assert ready.wait(10), "the proxy did not start"
        yield loop
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
