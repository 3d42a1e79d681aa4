"""What stops a benchmark."""


class BenchmarkError(Exception):
    """Something is not as it must be for its figures to mean anything; the message tells what."""
