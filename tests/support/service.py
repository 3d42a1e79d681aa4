"""Runs the service as a process of its own, and reads its log."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
SERVICE = (sys.executable, "-m", "service")
WATCHED = (sys.executable, "-m", "tests.support.watched_service")
Line = dict[str, Any]


@dataclass
class Service:
    """A running service; a test may stop ``process`` itself."""

    process: "subprocess.Popen[str]"
    lines: "queue.Queue[Line]"
    url: str = ""

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)

    def await_line(self, wanted: Callable[[Line], bool], seconds: float = 30) -> Line:
        """Return the next log line that is wanted, and drop the lines before it."""
        while not wanted(line := self.lines.get(timeout=seconds)):
            assert line, "the service ended"
        return line

    def forget_lines(self) -> None:
        while not self.lines.empty():
            self.lines.get_nowait()

    def longest_step(self) -> float:
        """Return the longest time its event loop was blocked since the last call, in seconds.

        Only for a service that runs as WATCHED.
        """
        self.process.send_signal(signal.SIGUSR1)
        return float(self.await_line(lambda line: "longest_step" in line)["longest_step"])

    def forget_peak(self) -> None:
        """Reset what ``peak_bytes`` returns (proc(5), clear_refs)."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def peak_bytes(self) -> int:
        """Return the peak of its resident memory, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return int(kib) * 1024

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used (proc(5), stat)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running_service(
    env: Mapping[str, str], command: Sequence[str] = SERVICE, **settings: str
) -> Iterator[Service]:
    """Run ``python -m service`` on a free port until the end of the block."""
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env={**env, "PORT": "0", "HOST": "127.0.0.1", "LOG_FORMAT": "json", **settings},
        stderr=subprocess.PIPE,
        text=True,
    )
    service = Service(process, queue.Queue())
    reader = threading.Thread(target=_read, args=[service])
    reader.start()
    try:
        service.url = service.await_line(lambda line: line["event"] == "listening")["url"]
        yield service
    finally:
        process.terminate()
        process.wait(60)
        reader.join()


def _read(service: Service) -> None:
    assert service.process.stderr
    with service.process.stderr as lines:
        for line in lines:
            try:
                service.lines.put(json.loads(line))
            except ValueError:
                service.lines.put({"event": line})
    service.lines.put({})
