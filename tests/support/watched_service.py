"""``python -m tests.support.watched_service``: the service, which measures its event loop.

On SIGUSR1 it logs the longest time that the loop was blocked since the last signal. That is the
processor time of the loop's thread between two ticks, so it does not depend on how busy the machine
is.
"""

import asyncio
import signal
import sys
import time

import structlog

import service.__main__ as service
from config.settings import Settings

EVERY = 0.002
"""Seconds between two ticks, which is the measurement's error."""

serve = service._serve


class Watch:
    """Measures the event loop that it is created in."""

    def __init__(self) -> None:
        self._longest = 0.0
        self._last = time.thread_time()
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGUSR1, self._log)
        self._tick()

    def _tick(self) -> None:
        now = time.thread_time()
        self._longest, self._last = max(self._longest, now - self._last), now
        self._loop.call_later(EVERY, self._tick)

    def _log(self) -> None:
        structlog.stdlib.get_logger("watch").info("watched", longest_step=self._longest)
        self._longest = 0.0


async def watched(settings: Settings) -> None:
    watch = Watch()
    await serve(settings)
    del watch


if __name__ == "__main__":
    service._serve = watched
    sys.exit(service.main())
