"""Plots seconds and peak memory against rows."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import Spread
from benchmarks.measure import Result, Run
from benchmarks.ours import SECONDS

MIB = 1024 * 1024
Series = dict[str, dict[int, list[float]]]
"""Values by label and by rows."""


def draw(results: Sequence[Result], path: Path) -> bool:
    """Plot all runs of the scenario ``linear``; returns False if there are none."""
    runs = [run for result in results if result.scenario == "linear" for run in result.runs]
    if not runs:
        return False
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    _panel(left, seconds(runs), "seconds")
    left.set_yscale("log")
    _panel(right, peaks(runs), "peak of resident memory, MiB")
    right.set_ylim(bottom=0)
    figure.savefig(path, dpi=120)
    return True


def seconds(runs: Iterable[Run]) -> Series:
    """Return the seconds by contender."""
    series: Series = {}
    for run in runs:
        series.setdefault(run.contender, {}).setdefault(run.rows, []).append(run.figures[SECONDS])
    return series


def peaks(runs: Iterable[Run]) -> Series:
    """Return the peaks in MiB of the service and of the largest worker."""
    series: Series = {}
    for run in runs:
        workers = [peak for name, peak in run.peaks.items() if name.startswith("worker")]
        found = {"service": run.peaks.get("service"), "largest worker": max(workers, default=None)}
        for name, peak in found.items():
            if peak is not None:
                of_rows = series.setdefault(f"{run.contender}: {name}", {})
                of_rows.setdefault(run.rows, []).append(peak / MIB)
    return series


def _panel(axes: Axes, series: Series, title: str) -> None:
    for label, by_rows in series.items():
        rows = sorted(by_rows)
        spreads = [Spread.of(by_rows[each]) for each in rows]
        below = [spread.median - spread.low for spread in spreads]
        above = [spread.high - spread.median for spread in spreads]
        medians = [spread.median for spread in spreads]
        axes.errorbar(rows, medians, yerr=[below, above], label=label, marker="o", capsize=3)
    axes.set_xscale("log")
    axes.set_xlabel("contacts")
    axes.set_ylabel(title)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize="small")
