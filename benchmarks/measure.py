"""Runs contenders in turn, and collects their figures."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.errors import BenchmarkError
from benchmarks.figures import Spread
from benchmarks.usage import CORES, OTHERS, Usage


@dataclass(frozen=True)
class Run:
    """One run of one contender; the names of figures contain their units."""

    contender: str
    figures: Mapping[str, float]
    usage: Usage | None = None
    peaks: Mapping[str, int] = field(default_factory=dict)
    """Peak resident bytes, by process."""
    limit: str = ""
    """Which process limits, in words."""
    rows: int = 0
    job: str = ""
    """The import, as logs name it."""


class Contender(Protocol):
    """One way to do the work that is measured."""

    @property
    def name(self) -> str:
        """Its name in the tables."""
        ...

    def run(self) -> Run:
        """Do the work once and check the result. Raises BenchmarkError if it is wrong."""
        ...


class Say(Protocol):
    """Shows the progress to the user."""

    def __call__(self, line: str) -> None:
        """Show a line."""
        ...


def measure(contenders: Sequence[Contender], rounds: int, key: str, say: Say) -> list[Run]:
    """Run all contenders in turn: one round to warm up, then ``rounds`` that count.

    Each round begins with another contender, so that the order does not favour any. ``key`` is the
    figure to show as progress.
    """
    runs = []
    for number in range(rounds + 1):
        first = number % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            run = contender.run()
            progress = f"round {number} of {rounds}" if number else "warming up"
            say(f"  {progress:<14} {contender.name:<36} {run.figures[key]:>14,.3f} {key}")
            runs += [run] if number else []
    names = [contender.name for contender in contenders]
    return sorted(runs, key=lambda run: names.index(run.contender))


@dataclass(frozen=True)
class Column:
    """A figure as a column of a table."""

    figure: str
    title: str
    form: str = ",.2f"


@dataclass(frozen=True)
class Result:
    """All runs of one scenario, and the columns to show."""

    scenario: str
    title: str
    columns: Sequence[Column]
    runs: Sequence[Run]
    references: Sequence[str] = ()
    """Contenders that the first column is held against."""
    notes: Sequence[str] = ()

    @property
    def contenders(self) -> list[str]:
        """Return the names of the contenders, in the order of their first runs."""
        return list(dict.fromkeys(run.contender for run in self.runs))

    def of(self, contender: str) -> list[Run]:
        """Return the runs of a contender."""
        return [run for run in self.runs if run.contender == contender]

    def spread(self, contender: str, figure: str) -> Spread | None:
        """Return a figure over all rounds, None if the contender does not have it."""
        values = [run.figures[figure] for run in self.of(contender) if figure in run.figures]
        return Spread.of(values) if values else None

    def median(self, contender: str, figure: str) -> float:
        """Return the median of a figure that the contender must have."""
        found = self.spread(contender, figure)
        if found is None:
            raise BenchmarkError(f"{contender} has no figure {figure}.")
        return found.median

    def cpu(self, contender: str) -> dict[str, float]:
        """Return the median CPU seconds by process group."""
        used = [run.usage.cpu for run in self.of(contender) if run.usage]
        names = dict.fromkeys(name for one in used for name in one)
        return {name: statistics.median([one.get(name, 0.0) for one in used]) for name in names}

    def peaks(self, contender: str) -> dict[str, int]:
        """Return the highest peak of all rounds, by process."""
        names = dict.fromkeys(name for run in self.of(contender) for name in run.peaks)
        return {name: max(run.peaks.get(name, 0) for run in self.of(contender)) for name in names}

    @property
    def others(self) -> float:
        """Return the largest share of the machine that other processes used during a run."""
        usages = [run.usage for run in self.runs if run.usage]
        shares = [usage.cpu.get(OTHERS, 0) / usage.seconds / CORES for usage in usages]
        return max(shares, default=0.0)

    def limit(self, contender: str) -> str:
        """Return what limited the median run."""
        runs = sorted(self.of(contender), key=lambda run: run.figures[self.columns[0].figure])
        return runs[len(runs) // 2].limit
