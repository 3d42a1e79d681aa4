"""Memory, processor time and open files of the worker processes (Linux only).

Not imported before the metrics' folder is set: see ``tasks.metrics``.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

_NOT_SUMMED: Final = frozenset({"process_start_time_seconds", "process_max_fds"})


class ProcessFamily(Collector):
    """Shows a process and its children as if they were one process, under the usual names."""

    def __init__(self, process: int) -> None:
        self._process = process

    def collect(self) -> Iterator[Metric]:
        """Return sums over all processes; when they started, and their limits, are the parent's."""
        families: dict[str, Metric] = {}
        for process in (self._process, *_children(self._process)):
            for found in ProcessCollector(pid=partial(int, process), registry=None).collect():
                family = families.setdefault(found.name, found)
                if family is found or found.name in _NOT_SUMMED:
                    continue
                family.samples = [
                    sample._replace(value=sample.value + more.value)
                    for sample, more in zip(family.samples, found.samples, strict=True)
                ]
        yield from families.values()

    def describe(self) -> Iterator[Metric]:
        """Return nothing: which families there are depends on the system."""
        yield from ()


def _children(process: int) -> list[int]:
    """Return the children of a process (proc(5)); none if that cannot be read."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]
