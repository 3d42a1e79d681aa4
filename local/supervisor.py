"""Keeps processes running in the foreground, as a platform does.

Prints their output, restarts those that end, and stops all of them in order.

(honcho stops everything as soon as one process ends, and sends signals to whole process groups. A
Dramatiq master and its workers then get the signal twice, and stop without finishing their work.)
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from local.processes import PROJECT, under_watchdog

_PAUSE_SECONDS: Final = 1.0
_EXIT_POLL_SECONDS: Final = 0.05

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Program:
    """A process to keep running: ``python -m <command>``."""

    name: str
    command: list[str]
    environment: Mapping[str, str]


async def supervise(programs: list[Program], say: Say) -> None:
    """Run all programs until SIGINT or SIGTERM; returns when they have ended."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        for program in programs:
            group.create_task(_keep(program, stop, say))


async def _keep(program: Program, stop: asyncio.Event, say: Say) -> None:
    while not stop.is_set():
        watchdog = await _start(program)
        output = asyncio.create_task(_relay(program.name, watchdog, say))
        ended = asyncio.create_task(_exit_code(watchdog))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not ended.done() and watchdog.stdin is not None:
            watchdog.stdin.close()
        code = await ended
        # A process that inherited the output may keep it open.
        await asyncio.wait([output], timeout=_PAUSE_SECONDS)
        output.cancel()
        if not stop.is_set():
            say(f"{program.name:<7}| ended (code {code}); it is started again.")
        stopped.cancel()


async def _start(program: Program) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *under_watchdog(program.command),
        cwd=PROJECT,
        env={**os.environ, **program.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


async def _exit_code(process: asyncio.subprocess.Process) -> int:
    """Return the exit code as soon as the process has ended.

    ``Process.wait`` of Python before 3.13 also waits until the output is closed, which a process
    that inherited it may never do (https://github.com/python/cpython/issues/119710).
    """
    while (code := process.returncode) is None:  # noqa: ASYNC110 -- no event says it in time
        await asyncio.sleep(_EXIT_POLL_SECONDS)
    return code


async def _relay(name: str, watchdog: asyncio.subprocess.Process, say: Say) -> None:
    if watchdog.stdout is not None:
        async for line in watchdog.stdout:
            say(f"{name:<7}| {line.decode(errors='replace').rstrip()}")
