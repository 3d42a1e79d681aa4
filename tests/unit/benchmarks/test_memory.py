import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.scenarios.memory import check_bounds

MIB = 2**20


def test_check_bounds_accepts_constant_memory():
    check_bounds([95 * MIB, 104 * MIB, 105 * MIB])


@pytest.mark.parametrize("peaks", [[90 * MIB, 101 * MIB], [119 * MIB, 121 * MIB]])
def test_check_bounds_rejects_growing_or_high_memory(peaks):
    with pytest.raises(BenchmarkError):
        check_bounds(peaks)
