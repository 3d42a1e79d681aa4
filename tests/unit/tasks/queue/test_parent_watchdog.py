"""The children of a parent that was killed are stopped."""

import subprocess
import sys

import psutil

PARENT = """
import multiprocessing, os, time
from tasks.queue.parent_watchdog import stop_with_parent

def child(ready):
    stop_with_parent()
    ready.send(os.getpid())
    time.sleep(60)

reader, writer = multiprocessing.Pipe()
multiprocessing.get_context("fork").Process(target=child, args=(writer,)).start()
print(reader.recv(), flush=True)
time.sleep(60)
"""


def test_a_child_is_stopped_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()

    assert psutil.wait_procs([child], timeout=30)[0] == [child]


def test_a_process_without_a_parent_is_left_alone() -> None:
    script = (
        "from tasks.queue.parent_watchdog import stop_with_parent; stop_with_parent()\n"
        "import threading; print([t.name for t in threading.enumerate()])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "['MainThread']"
