"""Keeps processes running in the foreground, as a platform would.

Shows what they say, starts them again when they end by themselves, ends them all in order.

(honcho ends everything as soon as one process ends, and signals whole process groups, which a
Dramatiq master and its workers take for being told twice: they stop at once, work unfinished.)
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from local.processes import PROJECT, guarded

_PAUSE_SECONDS: Final = 1.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Program:
    """One process to keep running: ``python -m <command>``."""

    name: str
    command: list[str]
    environment: Mapping[str, str]


async def supervise(programs: list[Program], say: Say) -> None:
    """Run all programs until SIGINT or SIGTERM; returns once they have ended."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        for program in programs:
            group.create_task(_keep(program, stop, say))


async def _keep(program: Program, stop: asyncio.Event, say: Say) -> None:
    while not stop.is_set():
        guard = await _start(program)
        said = asyncio.create_task(_relay(program.name, guard, say))
        ended = asyncio.create_task(guard.wait())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not ended.done() and guard.stdin is not None:
            guard.stdin.close()
        code = await ended
        # Whoever inherited its output may keep that open.
        await asyncio.wait([said], timeout=_PAUSE_SECONDS)
        said.cancel()
        if not stop.is_set():
            say(f"{program.name:<7}| ended by itself (code {code}); it is started again.")
        stopped.cancel()


async def _start(program: Program) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *guarded(program.command),
        cwd=PROJECT,
        env={**os.environ, **program.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


async def _relay(name: str, guard: asyncio.subprocess.Process, say: Say) -> None:
    if guard.stdout is not None:
        async for line in guard.stdout:
            say(f"{name:<7}| {line.decode(errors='replace').rstrip()}")
