"""Types that threads share are described before there are threads (core/conversion.py)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import config

PROJECT = Path(config.__file__).parents[1]
PACKAGES = ["config", "core", "service", "tasks"]
RACE = """
import sys, threading
import {module}
sys.setswitchinterval(1e-6)
barrier = threading.Barrier(8)
def convert():
    barrier.wait()
    for _ in range(20):
        {module}.{name}({value})
threads = [threading.Thread(target=convert) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
PLAN = {"places": {"name": [["name"]], "email": [["email"]]}, "csv": {"delimiter": ";"}}
DETECTED = {"encoding": "utf-8", "delimiter": None, "compression": None}
REJECTIONS = {"plan": None, "rejections": [], "object": None}


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("core.reading.plan", "ReadingPlan.from_json", PLAN),
        ("core.job_view", "to_detected", DETECTED),
        ("service.repository", "_to_known_rejections", REJECTIONS),
    ],
    ids=["plan", "detected", "rejections"],
)
def test_threads_may_convert_at_once(module, name, value):
    code = RACE.format(module=module, name=name, value=value)
    for _ in range(4):  # without Converter, eight of ten ended with SIGSEGV
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_nothing_else_converts():
    callers = {
        str(path.relative_to(PROJECT))
        for package in PACKAGES
        for path in (PROJECT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "msgspec.convert"
    }
    assert callers == {"core/conversion.py"}
