"""Shows how far a long test is, past what pytest captures."""

import time

import pytest

PAUSE = 5.0
"""Seconds between two lines that only tell that it goes on."""


class Progress:
    """Tells what one test does."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._told = time.monotonic()

    def show(self, what: str) -> None:
        """Show a line."""
        self._told = time.monotonic()
        with self._capsys.disabled():
            print(what, flush=True)

    def show_sometimes(self, what: str) -> None:
        """Show a line if the last one was some seconds ago."""
        if time.monotonic() - self._told > PAUSE:
            self.show(what)
