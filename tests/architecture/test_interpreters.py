"""Which Python is the oldest: said in one place, and an older one is refused in one line."""

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from core.interpreter import MINIMUM_PYTHON

PROJECT = Path(__file__).resolve().parents[2]
FLOOR_TEXT = ".".join(map(str, MINIMUM_PYTHON))
READ_BY_OLD_ONES = [
    "config/__init__.py", "core/interpreter.py", "service/__init__.py", "tasks/__init__.py"
]  # fmt: skip
# No folder of packages is looked at (-S): what is imported before the refusal is not found.
OLD = """
import runpy, sys
sys.version = "3.10.13 (main)"
sys.version_info = (3, 10, 13, "final", 0)
runpy.run_module(sys.argv[1], run_name="__main__")
"""
REFUSAL = f"Python {FLOOR_TEXT} or later is needed, not 3.10.13.\n"


def test_all_that_name_the_oldest_python_agree():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert project["project"]["requires-python"] == f">={FLOOR_TEXT}"
    assert project["tool"]["mypy"]["python_version"] == FLOOR_TEXT
    assert project["tool"]["ruff"]["target-version"] == "py" + FLOOR_TEXT.replace(".", "")
    makefile = (PROJECT / "Makefile").read_text()
    assert set(re.findall(r"--python-version (\S+)", makefile)) == {FLOOR_TEXT}
    assert f"Python {FLOOR_TEXT} or later" in (PROJECT / "README.md").read_text()


def test_setup_asks_the_same_file():
    makefile = (PROJECT / "Makefile").read_text()
    assert "\t@$(PYTHON) core/interpreter.py ||" in makefile
    assert "version_info" not in makefile


@pytest.mark.parametrize("module", ["service", "tasks", "core.interpreter"])
def test_an_older_python_is_refused_in_one_line(module):
    done = subprocess.run(
        [sys.executable, "-S", "-c", OLD, module],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", REFUSAL)


@pytest.mark.parametrize("path", READ_BY_OLD_ONES)
def test_an_older_python_can_read_as_far_as_the_refusal(path):
    ast.parse((PROJECT / path).read_text(), feature_version=(3, 7))


@pytest.fixture(scope="module")
def pythons() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pythons", PROJECT / ".ci" / "pythons.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pythons"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def python(pythons):
    def make(*version, release="final", implementation="cpython", path="/python"):
        return pythons.Python(version, release, implementation, path)

    return make


def test_one_of_each_version_is_chosen_from_the_floor_up(pythons, python):
    old, oldest, newer = python(3, 10, 13), python(3, 11, 0), python(3, 11, 10)
    newest, preview = python(3, 14, 1), python(3, 15, 0, release="alpha")
    other = python(3, 11, 10, path="/other")
    pypy = python(3, 11, 13, implementation="pypy")
    found = [newest, newer, old, oldest, other, pypy, preview]
    assert pythons.chosen(found) == [oldest, newer, newest, preview]
    assert [each.name for each in pythons.chosen(found)][-1] == "3.15.0alpha"


def test_this_python_is_found_and_known(pythons, tmp_path):
    (tmp_path / "python3").symlink_to(sys.executable)
    (tmp_path / "python3-config").symlink_to(sys.executable)
    (tmp_path / "python3.99").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "python3.99").chmod(0o755)
    (found,) = pythons.found([tmp_path])
    assert found.version == sys.version_info[:3]
    assert found == pythons.ask(found.path)


def test_shims_are_not_looked_at_but_versions_are(pythons, tmp_path):
    (tmp_path / "versions" / "3.12.1" / "bin").mkdir(parents=True)
    environment = {"PATH": f"{tmp_path}/shims:/some/bin", "PYENV_ROOT": str(tmp_path)}
    places = [str(place) for place in pythons.places(environment)]
    assert places == ["/some/bin", "/usr/bin", f"{tmp_path}/versions/3.12.1/bin"]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["passed", "passed"], 0),
        (["not run", "passed"], 0),
        (["failed", "passed"], 1),
        (["passed", "not run"], 1),
        (["passed", "failed"], 1),
    ],
)
def test_what_the_runs_come_to(pythons, python, states, code):
    default = python(3, 12, 0)
    results = [
        pythons.Result(each, state, "said", "log" if state == "failed" else "")
        for each, state in zip([python(3, 11, 2), default], states, strict=True)
    ]
    ended, lines = pythons.verdict(results, default)
    assert ended == code
    assert [line for line in lines if line.startswith("pythons: 3.")] == [
        f"pythons: 3.11.2 {states[0]}: said", f"pythons: 3.12.0 {states[1]}: said"
    ]  # fmt: skip
    assert lines.count("log") == states.count("failed")


def test_a_python_without_an_environment_is_told(pythons, python, monkeypatch, tmp_path):
    false = shutil.which("false")
    monkeypatch.setattr(pythons, "KEPT", tmp_path)
    monkeypatch.setattr(pythons.shutil, "which", lambda name: None)
    result = pythons.run(python(3, 14, 0, path=false), None)
    assert (result.state, result.said) == ("not run", "no environment: no reason was given")


def test_the_reason_is_the_line_with_the_error(pythons):
    said = "WARNING: x\n\nERROR: No matching distribution found for atheris==3.0.0\nERROR: y\n"
    assert pythons._reason(said) == "ERROR: No matching distribution found for atheris==3.0.0"


def test_the_whole_proof_runs_them_before_the_tests():
    assert [
        line for line in (PROJECT / ".ci" / "run").read_text().splitlines() if "make" in line
    ] == ["make check", "make pythons", "make test"]
