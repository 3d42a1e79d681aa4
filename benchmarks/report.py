"""Writes the results as Markdown and as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.measure import Result

MIB = 1024 * 1024
NOTICED = 0.1
"""Share of the machine; if others use more, the report has a warning."""


def markdown(facts: Mapping[str, str], results: Sequence[Result]) -> str:
    """Return the report as Markdown."""
    fact_lines = [f"* {name}: {value}" for name, value in facts.items()]
    sections = [part for result in results for part in _section(result)]
    return "\n".join(["# Benchmark", "", *fact_lines, *sections]) + "\n"


def machine_readable(facts: Mapping[str, str], results: Sequence[Result]) -> str:
    """Return all figures of all runs, for JSON."""
    found: list[dict[str, Any]] = [
        {
            "scenario": result.scenario,
            "title": result.title,
            "notes": list(result.notes),
            "runs": [asdict(run) for run in result.runs],
        }
        for result in results
    ]
    return json.dumps({"facts": dict(facts), "results": found}, indent=1, ensure_ascii=False) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table; the first column is text, the others are figures."""
    lines = [list(head), ["---", *("---:" for _ in head[1:])], *map(list, rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _section(result: Result) -> Iterator[str]:
    yield from ("", f"## {result.title}", "")
    yield from _figures(result)
    if (share := result.others) > NOTICED:
        yield from ("", f"**Not a quiet machine: others used up to {share:.0%} of it.**")
    if any(run.usage for run in result.runs):
        yield from ("", "CPU seconds, medians:", "")
        yield from _groups(result)
    if any(run.peaks for run in result.runs):
        yield from ("", "Highest peak of resident memory, MiB:", "")
        yield from _peaks(result)
    yield from _limits(result)
    yield from ("", *result.notes) if result.notes else ()


def _figures(result: Result) -> list[str]:
    head = ["median [min - max]", *(column.title for column in result.columns)]
    head += [f"x {reference}" for reference in result.references]
    return table(head, [_row(result, contender) for contender in result.contenders])


def _row(result: Result, contender: str) -> list[str]:
    spreads = ((result.spread(contender, each.figure), each.form) for each in result.columns)
    shown = [spread.shown(form) if spread else "" for spread, form in spreads]
    return [contender, *shown, *(_ratio(result, contender, other) for other in result.references)]


def _ratio(result: Result, contender: str, other: str) -> str:
    figure = result.columns[0].figure
    return f"{result.median(contender, figure) / result.median(other, figure):.2f}"


def _groups(result: Result) -> list[str]:
    used = {contender: result.cpu(contender) for contender in result.contenders}
    names = list(dict.fromkeys(name for cpu in used.values() for name in cpu))
    rows = [
        [contender, *(f"{cpu[name]:.2f}" if name in cpu else "" for name in names)]
        for contender, cpu in used.items()
    ]
    return table(["", *names], rows)


def _peaks(result: Result) -> list[str]:
    peaks = {contender: result.peaks(contender) for contender in result.contenders}
    names = list(dict.fromkeys(name for found in peaks.values() for name in found))
    rows = [
        [contender, *(f"{found[name] / MIB:.0f}" if name in found else "" for name in names)]
        for contender, found in peaks.items()
    ]
    return table(["", *names], rows)


def _limits(result: Result) -> Iterator[str]:
    limits = {contender: result.limit(contender) for contender in result.contenders}
    if any(limits.values()):
        yield from ("", "What limits, in the run in the middle:", "")
        yield from (f"* {contender}: {limit}" for contender, limit in limits.items() if limit)
