"""Terminal output: progress bars and notes on standard error, the result on standard output."""

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
            bar.n = job["imported"] + job["rejected"]
            bar.set_postfix_str(job["state"])

        yield update


def format_result(job: Job) -> str:
    """Return the lines that describe an import in a final state."""
    dry_run = " (only checked: nothing was imported)" if job.get("dryRun") else ""
    counts = (
        f"{job['records']:,} records = {job['imported']:,} imported"
        f" + {job['rejected']:,} rejected + {job['notProcessed']:,} not processed"
    )
    lines = [f"{job['jobId']}: {job['state']}{dry_run}", counts]
    codes = (job.get("rejectedByCode") or {}).items()
    for code, count in sorted(codes, key=lambda item: (-item[1], item[0])):
        lines.append(f"  {count:,} {code}")
    if failure := job.get("failure"):
        lines.append(f"Reason: {failure['detail']}")
        if advice := failure.get("advice"):
            lines.append(advice)
    return "\n".join(lines)
