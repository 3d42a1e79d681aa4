"""The import contracts in pyproject.toml."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import config

PROJECT = Path(config.__file__).parents[1]


def test_import_contracts_are_kept():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(
        [*command, "--no-cache"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": "client"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert f"Contracts: {len(contracts['contracts'])} kept, 0 broken." in done.stdout
