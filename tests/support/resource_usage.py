"""What a computation costs, for input that is made to cost much."""

import time
import tracemalloc
from collections.abc import Callable

KIB, MIB = 2**10, 2**20


def seconds(work: Callable[[], object]) -> float:
    """Seconds of this process's CPU."""
    started = time.process_time()
    work()
    return time.process_time() - started


def most_memory(work: Callable[[], object]) -> int:
    """Bytes that Python holds at the most meanwhile; all is much slower then."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
