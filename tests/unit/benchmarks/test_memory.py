import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.scenarios.memory import check_bounds

MIB = 2**20


def test_memory_that_stays_the_same_is_within_bounds():
    check_bounds([95 * MIB, 104 * MIB, 105 * MIB])


@pytest.mark.parametrize("peaks", [[90 * MIB, 101 * MIB], [119 * MIB, 121 * MIB]])
def test_memory_that_grows_or_is_too_much_ends_the_benchmark(peaks):
    with pytest.raises(BenchmarkError):
        check_bounds(peaks)
