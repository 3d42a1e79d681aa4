"""``python -m service``: serves the HTTP API until SIGINT or SIGTERM."""

import asyncio
import gc
import resource
import signal
import sys
import time
from typing import Final

import structlog
import uvloop
from aiohttp import web

from config.logging import configure_logging
from config.settings import Settings, SettingsError
from core.errors import SelfCheckError
from core.self_check import run_self_check
from service.app import INTAKE, METRICS, TRACES, create_app
from service.intake.multipart import silence_header_warnings
from service.keys.api_key import KeyFileError
from service.server import Runner

_USAGE: Final = "usage: python -m service   (settings: see docs/configure.md)"

_CANCEL_SECONDS: Final = 0.1
"""For handlers to end once they are cancelled; 0 would mean no limit to aiohttp."""

_TRACES_SECONDS: Final = (1.0, 5.0)
"""For the last traces to be sent: at least, and at most; in between, what is left of the grace."""

_BACKLOG: Final = 1024
"""Connections that the kernel accepts before the service does."""

_OPEN_FILES: Final = 8192

_log = structlog.stdlib.get_logger("service")


def main() -> int:
    """Run the service; return its exit code.

    0 after an orderly stop, 1 if it cannot listen, 2 if it must not start: with invalid settings or
    keys, or with a Python that would corrupt data.
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
    _raise_file_limit()
    silence_header_warnings()
    try:
        uvloop.run(_serve(settings))
    except KeyFileError as error:
        sys.stderr.write(f"API_KEYS_FILE cannot be used: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}\n")
        return 1
    return 0


def _raise_file_limit() -> None:
    """Allow more open files, as each connection is one: 1024 is usual, for users of select(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    app = await create_app(settings)
    # What exists now is never freed: leave it out of garbage collections, which take milliseconds.
    gc.freeze()
    runner = Runner(
        app,
        idle_seconds=settings.idle_timeout,
        metrics=app[METRICS],
        access_log=None,
        auto_decompress=False,
        shutdown_timeout=_CANCEL_SECONDS,
    )
    await runner.setup()
    until = 0.0
    try:
        site = web.TCPSite(runner, settings.host, settings.port, backlog=_BACKLOG)
        await site.start()
        host, port = runner.addresses[0][:2]
        _log.info("listening", url=f"http://{host}:{port}")
        await stop.wait()
        _log.info("stopping")
        until = time.monotonic() + settings.shutdown_grace
        await site.stop()
        # Before the cleanup, in which aiohttp drops whatever clients still send.
        await app[INTAKE].drain(settings.shutdown_grace)
    finally:
        await runner.cleanup()
        least, most = _TRACES_SECONDS
        seconds = min(most, max(least, until - time.monotonic()))
        await asyncio.to_thread(app[TRACES].close, seconds)


if __name__ == "__main__":
    sys.exit(main())
