"""The Dockerfile: its copied files suffice to run each command, and it follows the usual rules.

Its steps are taken one by one in an empty folder, except those that need a registry.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.python_version import MINIMUM_PYTHON
from local.processes import PROJECT

Step = tuple[str, str]


def steps() -> list[Step]:
    """Instructions with their arguments; continued lines are joined."""
    text = (PROJECT / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line]  # type: ignore[misc]


STEPS = steps()
LAST_STAGE = STEPS[[i for i, (name, _) in enumerate(STEPS) if name == "FROM"][-1] :]


def last(name: str) -> str:
    return [arguments for step, arguments in LAST_STAGE if step == name][-1]


def copies(stage: list[Step]) -> Iterator[tuple[list[str], str]]:
    """Sources in the checkout, each with its target."""
    for name, arguments in stage:
        if name == "COPY" and not arguments.startswith("--from"):
            *sources, target = arguments.split()
            yield sources, target


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder /app of the image."""
    folder = tmp_path_factory.mktemp("image")
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for sources, target in copies(LAST_STAGE):
        for source in sources:
            found = [path for path in tracked if path == source or path.startswith(source)]
            assert found, source
            for path in found:
                relative = path.removeprefix(source) if source.endswith("/") else path
                to = folder / target / relative
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(PROJECT / path, to)
    return folder


def test_bases_are_the_same_named_image_without_a_registry():
    bases = {arguments.split()[0] for name, arguments in STEPS if name == "FROM"}
    assert len(bases) == 1
    match = re.fullmatch(r"python:(\d+)\.(\d+)-slim-[a-z]+", bases.pop())
    assert match is not None
    assert (int(match[1]), int(match[2])) >= MINIMUM_PYTHON


def test_only_packages_with_known_hashes_are_installed():
    installs = [args for name, args in STEPS if name == "RUN" and "pip install" in args]
    assert installs
    assert all("--require-hashes -r " in arguments for arguments in installs)


def test_it_does_not_run_as_root_and_receives_signals():
    user, group = last("USER").split(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000
    assert last("STOPSIGNAL") == "SIGTERM"
    # Without a shell in between, which would not pass signals on.
    assert json.loads(last("ENTRYPOINT")) == ["contacts-importer"]
    assert json.loads(last("CMD")) == ["web"]


def test_nothing_in_it_is_secret():
    variables = " ".join(args for name, args in STEPS if name in {"ENV", "ARG"})
    assert not re.search("KEY|SECRET|PASSWORD|DATABASE_URL", variables)


@pytest.mark.parametrize("label", ["title", "description", "licenses", "version", "revision"])
def test_it_is_labelled(label):
    assert f"org.opencontainers.image.{label}=" in last("LABEL")


def test_what_is_copied_is_sent_to_the_builder_and_nothing_else():
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    sent = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert sent == {source for sources, _ in copies(STEPS) for source in sources}
    assert rules[-1] == "**/__pycache__/"


@pytest.mark.parametrize("name", ["web", "worker", "migrate", "once", "sweep", "health"])
def test_each_command_is_there(app, name):
    done = run(app / "contacts-importer", name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"usage: contacts-importer {name}" in done.stdout


def test_each_module_of_the_processes_can_be_imported(app):
    """Not only those that are imported at the start."""
    importing = (
        "import importlib, pkgutil\n"
        "for name in ('config', 'core', 'deploy', 'service', 'tasks'):\n"
        "    package = importlib.import_module(name)\n"
        f"    assert package.__file__.startswith({str(app)!r}), package.__file__\n"
        "    for found in pkgutil.walk_packages(package.__path__, name + '.'):\n"
        "        if not found.name.endswith('__main__'):\n"
        "            importlib.import_module(found.name)\n"
    )
    done = run(sys.executable, "-c", importing, PYTHONPATH=str(app), PYTHONSAFEPATH="1")
    assert done.returncode == 0, done.stderr


def test_each_file_that_the_code_reads_is_there(app):
    """All files of the copied folders are copied, and the migrations."""
    tracked = subprocess.run(
        ["git", "ls-files", "config", "core", "service", "tasks", "supabase/migrations"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert [path for path in tracked if not (app / path).is_file()] == []


def test_its_health_check_is_a_command_that_there_is(app):
    arguments = last("HEALTHCHECK").partition(" CMD ")[2]
    command, *rest = json.loads(arguments)
    assert command == "contacts-importer"
    done = run(app / command, *rest, PORT="1")
    assert (done.returncode, done.stderr) == (1, "web does not answer\n")


def run(*command: "str | Path", **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run it in the root folder, with the Python of these tests as the image's."""
    path = f"{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin"
    environment = {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **variables}
    if "PYTHONPATH" not in variables:
        environment["VIRTUAL_ENV"] = sys.prefix
    return subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, timeout=60, check=False
    )
