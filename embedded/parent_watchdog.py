"""Runs a command that must end when its parent process ends.

It runs as a script, with only the standard library; its standard input is a pipe from the parent.
End of file there means that the parent wants the command to end, or has ended itself, for whatever
reason: the command gets a signal, and is killed if it does not end. Pipes are all that this needs,
so it works on every Unix.
"""

import argparse
import os
import select
import signal
import subprocess
import sys
from types import FrameType


def main() -> int:
    """Run the command until it ends or has to end; returns its exit code."""
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
    """Write a byte to a pipe for each signal, so that one ``select`` can wait for everything."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _noted)
    return reading


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: Python has written the signal's number to the pipe."""


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
