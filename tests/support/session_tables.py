"""Tables that tests fill in row by row and pytest prints at the end of the session.

A row travels in the report of its test, so it arrives also from the worker processes of
pytest-xdist, where the tests run in parallel.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest

Render = Callable[[list[Any]], Iterable[str]]
"""Turns the rows of one table into lines."""

_PROPERTY = "table:"


def add_row(node: pytest.Item, table: str, row: Any) -> None:
    """Add a row, made of values that JSON has, to one of the session's tables."""
    node.user_properties.append((f"{_PROPERTY}{table}", row))


def aligned(rows: list[list[str]]) -> Iterator[str]:
    """Yield the lines of a text table; the first row is its head, the first column its labels."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        label = row[0].ljust(widths[0])
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join([label, *cells])
        if number == 0:
            yield "  ".join("-" * width for width in widths)


class SessionTables:
    """A pytest plugin that collects the rows and prints the tables that have any."""

    def __init__(self, tables: Mapping[str, tuple[str, Render]]) -> None:
        """``tables`` has a title and a renderer for each table."""
        self._tables = tables
        self._rows: dict[str, list[Any]] = {name: [] for name in tables}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # The properties of a test grow until its teardown; each report repeats those before it.
        if report.when == "teardown":
            for name, row in report.user_properties:
                if name.startswith(_PROPERTY):
                    self._rows[name.removeprefix(_PROPERTY)].append(row)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for name, (title, render) in self._tables.items():
            if rows := self._rows[name]:
                terminalreporter.section(title)
                for line in render(rows):
                    terminalreporter.write_line(line)
