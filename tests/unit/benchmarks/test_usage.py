import os
import subprocess
import sys

import psutil
import pytest

from benchmarks.usage import OTHERS, Group, Meter, Reading, Usage, limits, peak_bytes


def test_until_is_the_difference_and_others_the_rest():
    before = Reading(10.0, {"a": 1.0, "b": 2.0}, machine=100.0)
    after = Reading(12.0, {"a": 2.5, "b": 2.0}, machine=103.0)
    assert before.until(after) == Usage(2.0, {"a": 1.5, "b": 0.0, OTHERS: 1.5})


def test_others_are_never_negative():
    before, after = Reading(0, {"a": 0}, machine=0), Reading(1, {"a": 0.02}, machine=0.01)
    assert before.until(after).cpu[OTHERS] == 0


def test_usages_with_different_groups_add_up():
    total = Usage(1, {"a": 1, "b": 1}) + Usage(2, {"b": 2, "c": 3})
    assert total == Usage(3, {"a": 1, "b": 3, "c": 3})


@pytest.mark.parametrize(
    ("cpu", "text"),
    [
        ({"one": 0.9, "two": 1.0}, "one at 90% of its core"),
        ({"one": 0.4, "two": 1.4}, "two at 70% of its 2 cores"),
        ({"one": 0.4, "two": 1.0}, "nothing is busy, all wait: two at 50% of its 2 cores"),
        (
            {"one": 0.9, "two": 2.0, OTHERS: 1.0},
            "the machine: its 4 cores are 98% busy, 50% with two; two at 100% of its 2 cores",
        ),
    ],
)
def test_limits_is_the_group_nearest_to_its_limit(cpu, text):
    usage = Usage(1.0, cpu)
    assert limits(usage, {"one": 1, "two": 2}, machine=4) == text


def test_an_ended_process_has_used_nothing():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        gone = psutil.Process(process.pid)
        process.communicate(b"\n")
    assert peak_bytes(gone) == 0
    assert Meter((Group("gone", lambda: [gone]),)).read().cpu == {"gone": 0}


def test_cores_leave_out_the_client():
    meter = Meter((Group("client", list), Group("service", list)))
    assert meter.cores == {"service": 1}
    assert meter.all_cores == {"client": 1, "service": 1}


def test_peak_bytes_is_at_least_the_resident_size():
    me = psutil.Process(os.getpid())
    assert peak_bytes(me) >= me.memory_info().rss * 0.9
