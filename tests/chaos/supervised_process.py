"""A process that is restarted when it ends, as on a platform, and that tests may kill."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from local.processes import PROJECT, under_watchdog

RESTART_PAUSE_SECONDS = 0.5
TIMEOUT_SECONDS = 60.0


class SupervisedProcess:
    """``python -m <command>``, restarted until it is stopped."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self.codes: list[int] = []
        """The exit code of each run, as ``subprocess`` returns it."""
        self._command = command
        self._environment = {**os.environ, **environment}
        self._changed = threading.Condition()
        self._wanted = False
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._wanted = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Process id of the command itself, the only child of its watchdog."""

        def child() -> int | None:
            watchdog = self._watchdog
            if watchdog is None or watchdog.poll() is not None:
                return None
            try:
                children = psutil.Process(watchdog.pid).children()
            except psutil.NoSuchProcess:
                return None
            return children[0].pid if children else None

        return eventually(child, f"{self._command} runs")

    def pids(self) -> set[int]:
        """Process ids of the command and all its descendants."""
        try:
            return {self.pid} | {p.pid for p in psutil.Process(self.pid).children(recursive=True)}
        except psutil.NoSuchProcess:
            return set()

    def kill(self) -> None:
        """Send SIGKILL to the command; returns when it has ended."""
        self._signal(signal.SIGKILL)

    def terminate(self, then: Callable[[], None]) -> int:
        """Send SIGTERM, call ``then``, and return the exit code."""
        return self._signal(signal.SIGTERM, then)

    def vanish(self) -> None:
        """Send SIGKILL to the command and all its descendants, and do not restart it."""
        self._wanted = False
        for pid in sorted(self.pids()):
            kill(pid)
        self._join()

    def stop(self) -> None:
        """Stop it in order, and do not restart it."""
        self._wanted = False
        if self._watchdog is not None and self._watchdog.stdin is not None:
            self._watchdog.stdin.close()
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
            assert self._changed.wait_for(lambda: len(self.codes) > ends, TIMEOUT_SECONDS)
        return self.codes[ends]

    def _run(self) -> None:
        while self._wanted:
            with self.log.open("ab") as output:
                self._watchdog = subprocess.Popen(
                    under_watchdog(self._command),
                    cwd=PROJECT,
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            code = self._watchdog.wait()
            if self._watchdog.stdin is not None and not self._watchdog.stdin.closed:
                self._watchdog.stdin.close()
            with self._changed:
                self.codes.append(code)
                self._changed.notify_all()
            if self._wanted:
                time.sleep(RESTART_PAUSE_SECONDS)


def kill(pid: int) -> None:
    """Send SIGKILL to a process, which may have ended already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def eventually(
    look: Callable[[], Any], what: str | Callable[[], str], seconds: float = TIMEOUT_SECONDS
) -> Any:
    """Poll ``look`` until it returns something true, and return that; ``what`` is for the error."""
    deadline = time.monotonic() + seconds
    while not (value := look()):
        missing = what if isinstance(what, str) else what()
        assert time.monotonic() < deadline, f"not in {seconds} seconds: {missing}"
        time.sleep(0.03)
    return value
