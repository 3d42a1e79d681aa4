"""The error of the benchmarks."""


class BenchmarkError(Exception):
    """A benchmark did not do the work that it measures; the message says what was wrong."""
