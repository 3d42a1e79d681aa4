"""Runs the unit tests on every supported Python that this machine has.

Each has a virtual environment under .venvs, which is kept for the next time; the Python of .venv
has that one. The Pythons that could not be used are listed at the end, with the reason. Fails if a
test fails, or if the Python of .venv is not among those that passed.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).resolve().parents[1]
REQUIREMENTS: Final = PROJECT / "requirements-dev.txt"
DEFAULT: Final = PROJECT / ".venv"
KEPT: Final = PROJECT / ".venvs"
TESTS: Final = ("tests/unit", "tests/architecture")
AT_ONCE: Final = min(2, os.cpu_count() or 1)

_is_python: Final = re.compile(r"python3(?:\.[0-9]+)?").fullmatch
_ASK: Final = """
import json, os, sys
name = sys.implementation.name
base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
print(json.dumps([list(sys.version_info), name, base]))
"""


@dataclass(frozen=True, order=True)
class Python:
    """An interpreter of this machine; they are ordered by version."""

    version: tuple[int, int, int]
    release: str
    """``final``, or the kind of pre-release."""
    implementation: str
    path: str

    @property
    def name(self) -> str:
        """The version, such as 3.12.1 or 3.15.0alpha."""
        return ".".join(map(str, self.version)) + ("" if self.release == "final" else self.release)


@dataclass(frozen=True)
class Result:
    """The result for one Python: ``passed``, ``failed`` or ``not run``, and a line to print."""

    python: Python
    state: str
    message: str
    log: str = ""


def main() -> int:
    """Run the tests on all Pythons, print the results, and return the exit code."""
    default = ask(str(DEFAULT / "bin" / "python"))
    pythons = chosen([*found(places(os.environ)), *([default] if default else [])])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda python: run(python, default), pythons))
    code, lines = verdict(results, default)
    print("\n".join(lines), flush=True)
    return code


def places(environment: "os._Environ[str] | dict[str, str]") -> list[Path]:
    """Return the folders to search for Pythons: those of PATH, the system's, and pyenv's versions.

    pyenv's own folder of shims is left out, because they only start one of its versions.
    """
    pyenv = Path(environment.get("PYENV_ROOT") or Path(environment.get("HOME", "/")) / ".pyenv")
    path = [Path(place) for place in environment.get("PATH", "").split(os.pathsep) if place]
    versions = sorted((pyenv / "versions").glob("*/bin"))
    return [place for place in [*path, Path("/usr/bin"), *versions] if place != pyenv / "shims"]


def found(folders: Sequence[Path]) -> Iterator[Python]:
    """Yield the Pythons in these folders that run."""
    for folder in folders:
        for path in sorted(folder.glob("python3*")):
            if _is_python(path.name) and (python := ask(str(path))):
                yield python


def ask(path: str) -> Python | None:
    """Return the Python at a path, None if it does not run; for a venv, the one it is based on."""
    try:
        done = subprocess.run(  # noqa: S603
            [path, "-I", "-c", _ASK], capture_output=True, text=True, check=True, timeout=60
        )
        (major, minor, micro, release, _), name, base = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Python((major, minor, micro), release, name, base)


def chosen(pythons: Sequence[Python]) -> list[Python]:
    """Return one Python of each supported version, the oldest first."""
    floor = _floor()
    by_version: dict[str, Python] = {}
    for python in pythons:
        if python.version >= floor and python.implementation == "cpython":
            by_version.setdefault(python.name, python)
    return sorted(by_version.values())


def _floor() -> tuple[int, ...]:
    """Return the oldest supported version, from the file that checks it at start."""
    scope: dict[str, tuple[int, ...]] = {}
    path = PROJECT / "core" / "python_version.py"
    exec(compile(path.read_text(), path, "exec"), {"__name__": "python_version"}, scope)  # noqa: S102
    return scope["MINIMUM_PYTHON"]


def run(python: Python, default: Python | None, kept: Path = KEPT) -> Result:
    """Run the tests in the environment of this Python, which is created in ``kept`` if needed."""
    try:
        ours = default is not None and python.name == default.name
        place = DEFAULT if ours else prepared(python, kept)
    except subprocess.CalledProcessError as error:
        return Result(python, "not run", f"no environment: {_reason(error.stdout)}")
    command = [str(place / "bin" / "python"), "-m", "pytest", "-q", *TESTS]
    done = _called([*command, "-p", "no:cacheprovider"], check=False)
    lines = done.stdout.strip().splitlines() or ["pytest printed nothing"]
    if done.returncode:
        return Result(python, "failed", lines[-1], done.stdout)
    return Result(python, "passed", lines[-1])


def prepared(python: Python, kept: Path) -> Path:
    """Return the environment of a Python, up to date. Raises CalledProcessError."""
    place, required = kept / python.name, hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    ready, program = place / ".ready", str(place / "bin" / "python")
    wanted = f"{python.path} {required}"
    if ready.exists() and ready.read_text() == wanted:
        return place
    shutil.rmtree(place, ignore_errors=True)
    needed = ["--quiet", "--require-hashes", "-r", str(REQUIREMENTS)]
    if uv := shutil.which("uv"):
        _called([uv, "venv", "--quiet", "--python", python.path, str(place)])
        _called([uv, "pip", "install", "--python", program, *needed])
    else:
        _called([python.path, "-m", "venv", str(place)])
        _called([program, "-m", "pip", "install", "--disable-pip-version-check", *needed])
    ready.write_text(wanted)
    return place


def _called(command: list[str], *, check: bool = True) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603
        command,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=check,
    )


def _reason(message: str | None) -> str:
    """Return the line with the reason from the output of pip."""
    lines = [line for line in (message or "").splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["no reason was given"])[0][:300]


def verdict(results: Sequence[Result], default: Python | None) -> tuple[int, list[str]]:
    """Return the exit code and the lines to print."""
    lines = [result.log for result in results if result.log]
    lines += [f"pythons: {each.python.name} {each.state}: {each.message}" for each in results]
    passed = {each.python.name for each in results if each.state == "passed"}
    if default is None or default.name not in passed:
        lines.append("pythons: the Python of .venv is not among those that passed")
        return 1, lines
    return (1 if any(each.state == "failed" for each in results) else 0), lines


if __name__ == "__main__":
    sys.exit(main())
