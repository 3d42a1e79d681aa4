"""A process that is started again when it dies, as a platform would, and that tests may kill."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from local.processes import PROJECT, guarded

PAUSE = 0.5
PATIENCE = 60.0


class SupervisedProcess:
    """``python -m <command>``, for as long as it shall run."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self.codes: list[int] = []
        """How it ended each time, as a shell would say it."""
        self._command = command
        self._environment = {**os.environ, **environment}
        self._changed = threading.Condition()
        self._wanted = False
        self._guard: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._wanted = True
        self._thread = threading.Thread(target=self._keep)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The command itself, which is the guard's only child."""

        def found() -> int | None:
            guard = self._guard
            if guard is None or guard.poll() is not None:
                return None
            try:
                children = psutil.Process(guard.pid).children()
            except psutil.NoSuchProcess:
                return None
            return children[0].pid if children else None

        return eventually(found, f"{self._command} runs")

    def pids(self) -> set[int]:
        """The command and all below it."""
        try:
            return {self.pid} | {p.pid for p in psutil.Process(self.pid).children(recursive=True)}
        except psutil.NoSuchProcess:
            return set()

    def kill(self) -> None:
        """``kill -9`` of the command itself; returns when it is dead."""
        self._signal(signal.SIGKILL)

    def terminate(self, then: Callable[[], None]) -> int:
        """SIGTERM, then something else, and how it ended."""
        return self._signal(signal.SIGTERM, then)

    def vanish(self) -> None:
        """``kill -9`` of the command and all below it, without a new start."""
        self._wanted = False
        for pid in sorted(self.pids()):
            kill(pid)
        self._join()

    def stop(self) -> None:
        """The end, in order."""
        self._wanted = False
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
        self._join()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _signal(self, number: signal.Signals, then: Callable[[], None] | None = None) -> int:
        ends = len(self.codes)
        os.kill(self.pid, number)
        if then is not None:
            then()
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.codes) > ends, PATIENCE)
        return self.codes[ends]

    def _keep(self) -> None:
        while self._wanted:
            with self.log.open("ab") as output:
                self._guard = subprocess.Popen(
                    guarded(self._command),
                    cwd=PROJECT,
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            code = self._guard.wait()
            if self._guard.stdin is not None and not self._guard.stdin.closed:
                self._guard.stdin.close()
            with self._changed:
                self.codes.append(code)
                self._changed.notify_all()
            if self._wanted:
                time.sleep(PAUSE)


def kill(pid: int) -> None:
    """``kill -9``; it is no error if it has ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def eventually(
    look: Callable[[], Any], what: str | Callable[[], str], seconds: float = PATIENCE
) -> Any:
    """The first answer that is something; what other processes do can only be looked for."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        missing = what if isinstance(what, str) else what()
        assert time.monotonic() < deadline, f"not in {seconds} seconds: {missing}"
        time.sleep(0.03)
    return found
