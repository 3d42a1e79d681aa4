"""Child processes that end when this process ends, even if it is killed."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from embedded.accounts import Account

WATCHDOG = Path(__file__).with_name("parent_watchdog.py")


@dataclass(frozen=True)
class Command:
    """A program to run under a watchdog.

    ``stop`` is the name of the signal that ends it cleanly, ``log`` the file for its output,
    ``account`` the account to run it as (None: this process's own), and ``keeps`` are descriptors
    that the watchdog holds open until the program has ended, such as a file lock.
    """

    arguments: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop: str = "SIGTERM"
    account: Account | None = None
    keeps: Sequence[int] = ()


class Child:
    """A running command, with the pipe to its watchdog."""

    def __init__(self, watchdog: asyncio.subprocess.Process) -> None:
        self._watchdog = watchdog

    @classmethod
    async def start(cls, command: Command) -> "Child":
        """Start the command in a session of its own, which the terminal's Ctrl-C does not reach."""
        with command.log.open("ab") as log:
            watchdog = await asyncio.create_subprocess_exec(
                *_under_watchdog(command),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                env=dict(command.environment),
                start_new_session=True,
                pass_fds=tuple(command.keeps),
            )
        return cls(watchdog)

    @property
    def ended(self) -> bool:
        """Whether the command has ended."""
        return self._watchdog.returncode is not None

    async def wait(self) -> int:
        """Wait until the command ends; returns its exit code."""
        return await self._watchdog.wait()

    async def stop(self) -> None:
        """Stop the command, by force if it takes too long, and wait for its end."""
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
        await self._watchdog.wait()


def _under_watchdog(command: Command) -> list[str]:
    watchdog = [sys.executable, "-I", "-S", str(WATCHDOG), "--stop", command.stop]
    if command.account is not None:
        watchdog += ["--uid", str(command.account.uid), "--gid", str(command.account.gid)]
    return [*watchdog, "--", *(str(argument) for argument in command.arguments)]


async def run(command: Command) -> int:
    """Run a command and return its exit code; cancelling this stops it."""
    child = await Child.start(command)
    try:
        return await child.wait()
    finally:
        await child.stop()
