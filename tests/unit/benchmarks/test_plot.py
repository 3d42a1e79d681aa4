from benchmarks.measure import Column, Result, Run
from benchmarks.ours import SECONDS
from benchmarks.plot import MIB, draw, peaks, seconds

RUNS = [
    Run(
        "ours",
        {SECONDS: 1.0},
        None,
        {"service": 9 * MIB, "worker 1": MIB, "worker 2": 2 * MIB},
        rows=10,
    ),
    Run("ours", {SECONDS: 3.0}, None, {"service": 8 * MIB}, rows=10),
    Run("theirs", {SECONDS: 2.0}, None, {"client": MIB}, rows=100),
]


def test_values_are_by_label_and_rows():
    assert seconds(RUNS) == {"ours": {10: [1, 3]}, "theirs": {100: [2]}}
    assert peaks(RUNS) == {"ours: service": {10: [9, 8]}, "ours: largest worker": {10: [2]}}


def test_draw_needs_linear_results(tmp_path):
    path = tmp_path / "plot.png"
    columns = [Column(SECONDS, "seconds")]
    assert not draw([Result("import", "Import", columns, RUNS)], path)
    assert not path.exists()
    assert draw([Result("linear", "Linear", columns, RUNS)], path)
    assert path.read_bytes().startswith(b"\x89PNG")
