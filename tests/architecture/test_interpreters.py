"""The oldest supported Python: defined in one place, and an older one is rejected in one line."""

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

from core.python_version import MINIMUM_PYTHON

PROJECT = Path(__file__).resolve().parents[2]
FLOOR_TEXT = ".".join(map(str, MINIMUM_PYTHON))
READ_BY_OLD_ONES = [
    "config/__init__.py", "core/python_version.py", "deploy/__init__.py", "service/__init__.py",
    "tasks/__init__.py",
]  # fmt: skip
# Without site-packages (-S): a third-party import before the check would fail.
OLD = """
import runpy, sys
sys.version = "3.10.13 (main)"
sys.version_info = (3, 10, 13, "final", 0)
runpy.run_module(sys.argv[1], run_name="__main__")
"""
REJECTION = f"Python {FLOOR_TEXT} or later is needed, not 3.10.13.\n"


def test_all_files_name_the_same_oldest_python():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert project["project"]["requires-python"] == f">={FLOOR_TEXT}"
    assert project["tool"]["mypy"]["python_version"] == FLOOR_TEXT
    assert project["tool"]["ruff"]["target-version"] == "py" + FLOOR_TEXT.replace(".", "")
    makefile = (PROJECT / "Makefile").read_text()
    assert set(re.findall(r"--python-version (\S+)", makefile)) == {FLOOR_TEXT}
    assert f"Python {FLOOR_TEXT} or later" in (PROJECT / "README.md").read_text()


def test_make_setup_uses_the_same_check():
    makefile = (PROJECT / "Makefile").read_text()
    assert "\t@$(PYTHON) core/python_version.py ||" in makefile
    assert "version_info" not in makefile


@pytest.mark.parametrize("module", ["service", "tasks", "deploy", "core.python_version"])
def test_an_older_python_is_rejected_in_one_line(module):
    done = subprocess.run(
        [sys.executable, "-S", "-c", OLD, module],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", REJECTION)


@pytest.mark.parametrize("path", READ_BY_OLD_ONES)
def test_an_older_python_can_parse_the_check(path):
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


def test_chosen_has_one_python_of_each_supported_version(pythons, python):
    old, oldest, newer = python(3, 10, 13), python(3, 11, 0), python(3, 11, 10)
    newest, preview = python(3, 14, 1), python(3, 15, 0, release="alpha")
    other = python(3, 11, 10, path="/other")
    pypy = python(3, 11, 13, implementation="pypy")
    found = [newest, newer, old, oldest, other, pypy, preview]
    assert pythons.chosen(found) == [oldest, newer, newest, preview]
    assert [each.name for each in pythons.chosen(found)][-1] == "3.15.0alpha"


def test_found_returns_this_python(pythons, tmp_path):
    (tmp_path / "python3").symlink_to(sys.executable)
    (tmp_path / "python3-config").symlink_to(sys.executable)
    (tmp_path / "python3.99").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "python3.99").chmod(0o755)
    (found,) = pythons.found([tmp_path])
    assert found.version == sys.version_info[:3]
    assert found == pythons.ask(found.path)


def test_places_has_pyenv_versions_but_no_shims(pythons, tmp_path):
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
def test_verdict_of_several_results(pythons, python, states, code):
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


def test_a_python_without_an_environment_is_reported(pythons, python, monkeypatch, tmp_path):
    false = shutil.which("false")
    monkeypatch.setenv("PATH", str(tmp_path))  # without uv
    result = pythons.run(python(3, 14, 0, path=false), None, tmp_path)
    assert (result.state, result.message) == ("not run", "no environment: no reason was given")


def test_reason_is_the_line_with_the_error(pythons):
    said = "WARNING: x\n\nERROR: No matching distribution found for atheris==3.0.0\nERROR: y\n"
    assert pythons._reason(said) == "ERROR: No matching distribution found for atheris==3.0.0"


def test_ci_runs_check_pythons_and_test():
    assert [
        line for line in (PROJECT / ".ci" / "run").read_text().splitlines() if "make" in line
    ] == ["make check", "make pythons", "make test"]
