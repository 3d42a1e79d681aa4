"""Progress bars and notes on standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from tqdm import tqdm

from contacts_import.importer import Job, Progress

_BYTES_LAYOUT: Final = (
    "{desc}: {percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt} [{elapsed}<{remaining}]"
)


def note(line: str) -> None:
    """Print a line to standard error, above any progress bar."""
    tqdm.write(line, file=sys.stderr)


@contextmanager
def bytes_bar(label: str, total: int | None) -> Iterator[Callable[[], Progress]]:
    """Show a progress bar in bytes; ``total`` is None if the size is unknown.

    Gives a function that resets the bar and returns what advances it. Like all bars, it is shown
    only on a terminal.
    """
    bar = tqdm(
        desc=label,
        total=total,
        unit="B",
        unit_scale=True,
        disable=None,
        leave=False,
        bar_format=_BYTES_LAYOUT if total is not None else None,
    )
    with bar:

        def start() -> Progress:
            bar.reset(total)

            def advance(count: int) -> None:
                bar.update(count)

            return advance

        yield start


@contextmanager
def records_bar() -> Iterator[Callable[[Job], None]]:
    """Show a progress bar in records; gives a function that updates it from a job."""
    with tqdm(desc="Importing", unit=" records", unit_scale=True, disable=None, leave=False) as bar:

        def update(job: Job) -> None:
            bar.total = job["records"]
            bar.n = job["imported"] + job["rejected"] + job.get("skipped", 0)
            bar.set_postfix_str(job["state"])

        yield update
