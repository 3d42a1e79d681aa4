"""Children that end when this process does, however it ends."""

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
    """One program to run under a watchdog.

    ``stop`` names the signal that ends it cleanly, ``log`` is where its output goes,
    ``account`` is whom it runs as (None: as ourselves), and ``keeps`` are descriptors
    that its watchdog holds open until it has ended, a file lock for example.
    """

    arguments: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop: str = "SIGTERM"
    account: Account | None = None
    keeps: Sequence[int] = ()


class Child:
    """A command that runs, held by the pipe to its watchdog."""

    def __init__(self, watchdog: asyncio.subprocess.Process) -> None:
        self._watchdog = watchdog

    @classmethod
    async def start(cls, command: Command) -> "Child":
        """Run the command in a session of its own, out of reach of the terminal's Ctrl-C."""
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
        """Whether the command is over."""
        return self._watchdog.returncode is not None

    async def wait(self) -> int:
        """Wait for the command's own end and give its exit code."""
        return await self._watchdog.wait()

    async def stop(self) -> None:
        """Close the pipe: the watchdog ends the command, and forces it if it must."""
        if self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
        await self._watchdog.wait()


def _under_watchdog(command: Command) -> list[str]:
    watchdog = [sys.executable, "-I", "-S", str(WATCHDOG), "--stop", command.stop]
    if command.account is not None:
        watchdog += ["--uid", str(command.account.uid), "--gid", str(command.account.gid)]
    return [*watchdog, "--", *(str(argument) for argument in command.arguments)]


async def run(command: Command) -> int:
    """Run a command to its end; it is stopped if we are cancelled meanwhile."""
    child = await Child.start(command)
    try:
        return await child.wait()
    finally:
        await child.stop()
