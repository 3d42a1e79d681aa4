import pytest

from benchmarks.figures import Spread, percentile


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3], (3, 3, 3)), ([5, 1], (3, 1, 5)), ([9, 1, 2], (2, 1, 9)), ([4, 1, 2, 3], (2.5, 1, 4))],
)
def test_spread_has_median_low_and_high(values, expected):
    spread = Spread.of(values)
    assert (spread.median, spread.low, spread.high) == expected


def test_spread_shows_its_ends_if_they_differ():
    assert Spread(1234.5, 1000, 2000).shown(",.0f") == "1,234 [1,000 - 2,000]"
    assert Spread(1.001, 1.0, 1.004).shown(".2f") == "1.00"


@pytest.mark.parametrize(
    ("share", "expected"), [(0, 1), (0.001, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1, 100)]
)
def test_a_percentile_is_one_of_the_values(share, expected):
    assert percentile(range(100, 0, -1), share) == expected
