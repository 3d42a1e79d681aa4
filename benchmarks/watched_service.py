"""``python -m benchmarks.watched_service``: the service, which measures its event loop.

A callback is due every five milliseconds. Its delay is how long the loop was busy: with one
callback, with many in a row, or because other processes used the cores. So the CPU seconds of the
loop's thread in that time are recorded too. Each line in the file BENCHMARK_HEARTBEAT has the time,
the delay, and those CPU seconds.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import IO
from unittest import mock

from aiohttp import web

from config.settings import Settings
from service import __main__ as service_main
from service.app import create_app

VARIABLE = "BENCHMARK_HEARTBEAT"
EVERY = 0.005
NOTED = 0.01


def main() -> int:
    """Run the service; returns its exit code."""
    with mock.patch.object(service_main, "create_app", _create_watched_app):
        return service_main.main()


async def _create_watched_app(settings: Settings) -> web.Application:
    app = await create_app(settings)
    app.cleanup_ctx.append(_heartbeat)
    return app


async def _heartbeat(_: web.Application) -> AsyncIterator[None]:
    with _notes() as file:
        beating = asyncio.create_task(_beat(file))
        yield
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


def _notes() -> IO[str]:
    return Path(os.environ[VARIABLE]).open("a", buffering=1)


async def _beat(file: IO[str]) -> None:
    while True:
        before, used = time.monotonic(), time.thread_time()
        await asyncio.sleep(EVERY)
        late = time.monotonic() - before - EVERY
        if late > NOTED:
            file.write(f"{time.time()} {late} {time.thread_time() - used}\n")


if __name__ == "__main__":
    sys.exit(main())
