"""Measures what a computation costs, for input that is made to cost much."""

import time
import tracemalloc
from collections.abc import Callable

KIB, MIB = 2**10, 2**20


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds of CPU time that the work takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


def most_memory(work: Callable[[], object]) -> int:
    """Return the peak of Python's memory in bytes; the work is much slower meanwhile."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
