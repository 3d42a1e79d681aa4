from dataclasses import dataclass, field

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.measure import Column, Result, Run, measure
from benchmarks.usage import Usage


@dataclass
class Counting:
    name: str
    seen: list
    count: int = field(default=0)

    def run(self):
        self.count += 1
        self.seen.append(self.name)
        return Run(self.name, {"n": float(self.count)})


def test_measure_interleaves_rounds_with_another_first_contender():
    seen, said = [], []
    contenders = [Counting(name, seen) for name in "abc"]
    measure(contenders, 2, "n", said.append)
    assert "".join(seen) == "abcbcacab"
    assert len(said) == 9


def test_measure_drops_the_first_round():
    runs = measure([Counting(name, []) for name in "ab"], 2, "n", print)
    assert [(run.contender, run.figures["n"]) for run in runs] == [
        ("a", 2),
        ("a", 3),
        ("b", 2),
        ("b", 3),
    ]


def result(*runs):
    return Result("s", "t", [Column("n", "N")], runs)


def test_medians_are_over_the_runs_of_one_contender():
    found = result(*(Run("a", {"n": n}) for n in (3.0, 1.0, 2.0)), Run("b", {"n": 9.0}))
    assert found.contenders == ["a", "b"]
    assert found.median("a", "n") == 2
    assert found.spread("a", "other") is None
    with pytest.raises(BenchmarkError, match="a has no figure other"):
        found.median("a", "other")


def test_cpu_seconds_are_medians_and_peaks_the_highest():
    runs = [Run("a", {"n": 1.0}, Usage(1, {"x": float(cpu)}), {"p": cpu * 10}) for cpu in (1, 5, 2)]
    assert result(*runs).cpu("a") == {"x": 2.0}
    assert result(*runs).peaks("a") == {"p": 50}


def test_limit_is_that_of_the_median_run():
    runs = [Run("a", {"n": n}, limit=f"limit {n:.0f}") for n in (3.0, 1.0, 2.0)]
    assert result(*runs).limit("a") == "limit 2"
