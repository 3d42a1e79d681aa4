"""What can be installed with pip: the client command alone, and never the server."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from local.processes import PROJECT

CLIENT = PROJECT / "client"


def pip_install(source: Path, target: Path) -> "subprocess.CompletedProcess[str]":
    """Install a folder into another one, without network."""
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-index"),
        *("--no-deps", "--no-build-isolation", "--target", str(target), str(source)),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_installing_the_client_adds_only_its_package(tmp_path: Path) -> None:
    source, target = tmp_path / "client", tmp_path / "site-packages"
    unwanted = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(CLIENT, source, ignore=unwanted)

    installed = pip_install(source, target)

    assert installed.returncode == 0, installed.stdout + installed.stderr
    (metadata,) = importlib.metadata.distributions(path=[str(target)])
    assert metadata.name == "contacts-import"
    folders = {path.name for path in target.iterdir()} - {"bin"}
    assert folders == {"contacts_import", f"contacts_import-{metadata.version}.dist-info"}
    modules = {str(path.relative_to(source)) for path in source.glob("contacts_import/**/*.py")}
    assert {str(path.relative_to(target)) for path in target.rglob("*.py")} == modules
    shown = subprocess.run(
        [sys.executable, "-m", "contacts_import", "--version"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (shown.returncode, shown.stdout) == (0, f"contacts-import {metadata.version}\n")


def test_client_dependencies_are_what_its_modules_import() -> None:
    project = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
    sources = "".join(path.read_text() for path in CLIENT.glob("contacts_import/*.py"))
    imported = set(re.findall(r"^(?:import|from) (\w+)", sources, re.MULTILINE))
    third_party = imported - set(sys.stdlib_module_names) - {"contacts_import"}
    dependencies = {re.split(r"[<>=~!]", name)[0] for name in project["dependencies"]}
    assert dependencies == third_party == {"httpx", "tenacity", "tqdm"}


def test_installing_the_server_is_rejected_with_instructions(tmp_path: Path) -> None:
    installed = pip_install(PROJECT, tmp_path / "site-packages")

    output = installed.stdout + installed.stderr
    assert installed.returncode != 0
    assert "pip install --require-hashes -r requirements.txt" in output
    assert "pip install ./client" in output
    assert not list(tmp_path.rglob("*.py"))
