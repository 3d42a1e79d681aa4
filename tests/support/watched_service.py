"""``python -m tests.support.watched_service``: the service, which tells how long its event loop was held.

On SIGUSR1 it logs the longest step since the last time. Counted is the processor time of the loop's
thread between two beats, so that a busy machine tells the same as an idle one.
"""

import asyncio
import signal
import sys
import time

import structlog

import service.__main__ as service
from config.settings import Settings

EVERY = 0.002
"""Seconds between beats: a step may look longer by so much."""

serve = service._serve


class Watch:
    """Beats on the event loop it runs on."""

    def __init__(self) -> None:
        self._longest = 0.0
        self._last = time.thread_time()
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGUSR1, self._tell)
        self._beat()

    def _beat(self) -> None:
        now = time.thread_time()
        self._longest, self._last = max(self._longest, now - self._last), now
        self._loop.call_later(EVERY, self._beat)

    def _tell(self) -> None:
        structlog.stdlib.get_logger("watch").info("watched", longest_step=self._longest)
        self._longest = 0.0


async def watched(settings: Settings) -> None:
    watch = Watch()
    await serve(settings)
    del watch


if __name__ == "__main__":
    service._serve = watched
    sys.exit(service.main())
