"""``python -m service``: the HTTP API, until it is told to stop."""

import asyncio
import gc
import resource
import signal
import sys
from typing import Final

import structlog
import uvloop
from aiohttp import web

from config.logging import configure_logging
from config.settings import Settings, SettingsError
from core.errors import SelfCheckError
from core.self_check import run_self_check
from service.app import INTAKE, create_app
from service.intake.multipart import ignore_odd_headers
from service.server import Runner

_USAGE: Final = "usage: python -m service   (settings: see docs/configure.md)"

_CANCEL_SECONDS: Final = 0.1
"""For handlers to notice that they are cancelled; to aiohttp, 0 would mean for ever."""

_BACKLOG: Final = 1024
"""Clients that may be connected before the service has looked at them."""

_FILES: Final = 8192

_log = structlog.stdlib.get_logger("service")


def main() -> int:
    """Run the service; 0 after a stop in order, 1 if it cannot listen, 2 if it must not start.

    It must not start with wrong settings, nor with a Python that would spoil data.
    """
    if len(sys.argv) > 1:
        sys.stdout.write(_USAGE + "\n")
        return 0 if sys.argv[1:] in (["--help"], ["-h"]) else 2
    try:
        run_self_check()
        settings = Settings.from_environment()
    except SettingsError as error:
        sys.stderr.write("".join(f"{line}\n" for line in error.lines))
        return 2
    except SelfCheckError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    configure_logging(settings)
    _allow_many_connections()
    ignore_odd_headers()
    try:
        uvloop.run(_serve(settings))
    except OSError as error:
        sys.stderr.write(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}\n")
        return 1
    return 0


def _allow_many_connections() -> None:
    """Each is an open file, of which the usual soft limit, 1024, is for programs with select(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve(settings: Settings) -> None:
    stop = _told_to_stop()
    app = await create_app(settings)
    # What is there now stays: nobody need look through it again for cycles, for milliseconds.
    gc.freeze()
    runner = Runner(
        app,
        head_seconds=settings.idle_timeout,
        access_log=None,
        auto_decompress=False,
        shutdown_timeout=_CANCEL_SECONDS,
    )
    await runner.setup()
    try:
        site = await _listen(runner, settings)
        await stop.wait()
        _log.info("stopping")
        await site.stop()
        # Before the cleanup, from which on aiohttp drops all that clients still send.
        await app[INTAKE].drain(settings.shutdown_grace)
    finally:
        await runner.cleanup()


def _told_to_stop() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _listen(runner: web.AppRunner, settings: Settings) -> web.TCPSite:
    site = web.TCPSite(runner, settings.host, settings.port, backlog=_BACKLOG)
    await site.start()
    host, port = runner.addresses[0][:2]
    _log.info("listening", url=f"http://{host}:{port}")
    return site


if __name__ == "__main__":
    sys.exit(main())
