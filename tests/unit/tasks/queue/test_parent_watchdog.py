"""Processes of a dramatiq master that was killed come to an end."""

import subprocess
import sys

import psutil

from tasks.queue import parent_watchdog as orphans

MASTER = """
import multiprocessing, os, time
from tasks.queue import parent_watchdog as orphans

def child(ready):
    orphans.end_with_master()
    ready.send(os.getpid())
    time.sleep(60)

reader, writer = multiprocessing.Pipe()
multiprocessing.get_context("fork").Process(target=child, args=(writer,)).start()
print(reader.recv(), flush=True)
time.sleep(60)
"""


def test_a_child_ends_when_its_master_is_killed() -> None:
    master = subprocess.Popen([sys.executable, "-c", MASTER], stdout=subprocess.PIPE, text=True)
    assert master.stdout is not None
    child = psutil.Process(int(master.stdout.readline()))
    master.kill()
    master.communicate()

    assert psutil.wait_procs([child], timeout=30)[0] == [child]


def test_a_process_without_a_master_is_left_alone() -> None:
    script = (
        "from tasks.queue import parent_watchdog as orphans; orphans.end_with_master()\n"
        "import threading; print([t.name for t in threading.enumerate()])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "['MainThread']"


def test_dramatiq_finds_the_metrics_server_by_its_name() -> None:
    (fork,) = orphans.WatchedPrometheus().forks

    assert fork is getattr(sys.modules[fork.__module__], fork.__name__)
