"""Prints the progress of a long test, although pytest captures its output."""

import time

import pytest

PAUSE_SECONDS = 5.0
"""Between two lines of ``show_sometimes``."""


class Progress:
    """The progress of one test."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._shown_at = time.monotonic()

    def show(self, line: str) -> None:
        """Print a line."""
        self._shown_at = time.monotonic()
        with self._capsys.disabled():
            print(line, flush=True)

    def show_sometimes(self, line: str) -> None:
        """Print a line if the last one is some seconds old."""
        if time.monotonic() - self._shown_at > PAUSE_SECONDS:
            self.show(line)
