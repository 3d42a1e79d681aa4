"""Run one command that must not outlive whoever started it.

Executed as a script, with nothing but the standard library, and it holds one end of a
pipe as its standard input. End of file there means that the other side asks for an end
or is gone, whatever killed it: the command is told to stop, then made to. This needs no
help from the kernel beyond pipes, so it holds on every Unix.
"""

import argparse
import os
import select
import signal
import subprocess
import sys
from types import FrameType


def main() -> int:
    """Start the command, wait for its end or ours, and answer with its exit code."""
    wakeup = _wake_on_signals()
    options = _options()
    child = _start(options)
    while child.poll() is None:
        ready, _, _ = select.select([0, wakeup], [], [])
        if 0 in ready and os.read(0, 1) == b"":
            break
        if wakeup in ready and _asked_to_end(os.read(wakeup, 64)):
            break
    return _end(child, signal.Signals[options.stop], options.patience)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stop", default="SIGTERM", help="the signal for a quick, clean end")
    parser.add_argument("--patience", type=float, default=10.0, help="seconds it has for it")
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser.parse_args()


def _wake_on_signals() -> int:
    """Turn the signals we wait for into bytes on a pipe, so that one select sees all."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _noted)
    return reading


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Python writes the signal's number to the pipe; there is nothing else to do."""


def _asked_to_end(numbers: bytes) -> bool:
    return any(number != signal.SIGCHLD for number in numbers)


def _start(options: argparse.Namespace) -> "subprocess.Popen[bytes]":
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if options.uid is None:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        user=options.uid,
        group=options.gid,
        extra_groups=[],
    )


def _end(child: "subprocess.Popen[bytes]", stop: signal.Signals, patience: float) -> int:
    for number in (stop, signal.SIGQUIT, signal.SIGKILL):
        if child.poll() is None:
            child.send_signal(number)
            try:
                child.wait(patience)
            except subprocess.TimeoutExpired:
                continue
    return child.wait()


if __name__ == "__main__":
    sys.exit(abs(main()))
