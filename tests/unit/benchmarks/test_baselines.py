import pytest

from benchmarks.baselines import seconds_told
from benchmarks.errors import BenchmarkError


def test_seconds_of_psql_are_those_of_its_last_statement():
    assert seconds_told("Timing is on.\nTime: 1.0 ms\nCOPY 5\nTime: 4123.456 ms (00:04.123)\n") == (
        pytest.approx(4.123456)
    )


def test_seconds_of_other_baselines_are_a_number():
    assert seconds_told("1.25\n") == 1.25


def test_output_without_seconds_is_rejected():
    with pytest.raises(BenchmarkError, match="There is no time in the output: COPY 5"):
        seconds_told("COPY 5")
