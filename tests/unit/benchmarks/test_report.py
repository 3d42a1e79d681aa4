import json

from benchmarks.measure import Column, Result, Run
from benchmarks.report import MIB, machine_readable, markdown, table
from benchmarks.usage import CORES, OTHERS, Usage

COLUMNS = [Column("rate", "rows/s", ",.0f"), Column("extra", "extra")]
RUNS = [
    Run("ours", {"rate": 2000.0, "extra": 1.0}, Usage(1, {"w": 1.5}), {"w": 3 * MIB}, "w at 99%"),
    Run("ours", {"rate": 4000.0, "extra": 2.0}, Usage(1, {"w": 2.5}), {"w": 5 * MIB}, "w at 90%"),
    Run("theirs", {"rate": 1000.0}),
]
RESULT = Result("import", "Import", COLUMNS, RUNS, ["theirs"], ["A note."])


def test_table_aligns_figures_to_the_right():
    assert table(["a", "b"], [["x", "1"]]) == ["| a | b |", "| --- | ---: |", "| x | 1 |"]


def test_the_report_has_figures_ratios_groups_peaks_limits_and_notes():
    assert markdown({"rounds": "2"}, [RESULT]).splitlines() == [
        "# Benchmark",
        "",
        "* rounds: 2",
        "",
        "## Import",
        "",
        "| median [min - max] | rows/s | extra | x theirs |",
        "| --- | ---: | ---: | ---: |",
        "| ours | 3,000 [2,000 - 4,000] | 1.50 [1.00 - 2.00] | 3.00 |",
        "| theirs | 1,000 |  | 1.00 |",
        "",
        "CPU seconds, medians:",
        "",
        "|  | w |",
        "| --- | ---: |",
        "| ours | 2.00 |",
        "| theirs |  |",
        "",
        "Highest peak of resident memory, MiB:",
        "",
        "|  | w |",
        "| --- | ---: |",
        "| ours | 5 |",
        "| theirs |  |",
        "",
        "What limits, in the run in the middle:",
        "",
        "* ours: w at 90%",
        "",
        "A note.",
    ]


def test_report_warns_of_other_load():
    runs = [Run("ours", {"rate": 1.0, "extra": 1.0}, Usage(10, {"w": 1.0, OTHERS: 5.0 * CORES}))]
    report = markdown({}, [Result("import", "Import", COLUMNS, runs)])
    assert "**Not a quiet machine: others used up to 50% of it.**" in report


def test_every_run_is_in_the_json():
    report = json.loads(machine_readable({"rounds": "2"}, [RESULT]))
    assert report["facts"] == {"rounds": "2"}
    (found,) = report["results"]
    assert [run["figures"]["rate"] for run in found["runs"]] == [2000, 4000, 1000]
    assert found["runs"][0]["usage"] == {"seconds": 1, "cpu": {"w": 1.5}}
