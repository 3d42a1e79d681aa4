"""What one sees at the terminal: progress on standard error, the result on standard output."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from tqdm import tqdm

Job = dict[str, Any]

_TIMES: Final = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt} [{elapsed}<{remaining}]"


def note(words: str) -> None:
    """Say it without breaking a progress bar."""
    tqdm.write(words, file=sys.stderr)


@contextmanager
def bytes_bar(what: str, total: int | None) -> Iterator[Callable[[], Callable[[int], None]]]:
    """A bar for bytes that go by; it begins anew each time that it is called."""
    with _bar(what, total, unit="B", unit_scale=True) as bar:

        def start() -> Callable[[int], None]:
            bar.reset(total)
            return _counting(bar)

        yield start


@contextmanager
def records_bar() -> Iterator[Callable[[Job], None]]:
    """A bar for records that are imported or rejected, told the import as it goes on."""
    with _bar("Importing", None, unit=" records", unit_scale=True) as bar:

        def show(job: Job) -> None:
            bar.total = job["records"]
            bar.n = job["imported"] + job["rejected"]
            bar.set_postfix_str(job["state"])

        yield show


def result(job: Job) -> str:
    """The end of an import, in a few lines."""
    lines = [f"{job['jobId']}: {job['state']}{_checked(job)}", counts(job)]
    lines += [f"  {count:,} {code}" for code, count in _by_count(job.get("rejectedByCode") or {})]
    if failure := job.get("failure"):
        lines += [f"Why: {failure['detail']}", *filter(None, [failure.get("advice")])]
    return "\n".join(lines)


def counts(job: Job) -> str:
    """What became of the records."""
    return (
        f"{job['records']:,} records = {job['imported']:,} imported + {job['rejected']:,} rejected"
        f" + {job['notProcessed']:,} not processed"
    )


def _by_count(codes: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(codes.items(), key=lambda item: (-item[1], item[0]))


def _checked(job: Job) -> str:
    return " (only checked: nothing was imported)" if job.get("dryRun") else ""


def _bar(what: str, total: int | None, **more: Any) -> "tqdm[None]":  # noqa: ANN401
    layout = _TIMES if total is not None else None
    # None: only on a terminal.
    return tqdm(desc=what, total=total, disable=None, leave=False, bar_format=layout, **more)


def _counting(bar: "tqdm[None]") -> Callable[[int], None]:
    def count(more: int) -> None:
        bar.update(more)

    return count
