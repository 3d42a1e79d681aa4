"""The audit of `make check`: findings fail, and packages that were not audited are listed."""

import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).resolve().parents[2]
GOOD = {"name": "good", "version": "1", "vulns": []}
BAD = {
    "name": "bad",
    "version": "1.2",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["1.3"], "description": "d"}],
}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", PROJECT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def report(*dependencies: dict[str, object]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


@pytest.mark.parametrize(
    ("code", "out", "exit_code", "said"),
    [
        (0, report(GOOD), 0, ["1 packages looked up, 0 known vulnerabilities"]),
        (1, report(GOOD, BAD), 1, ["bad 1.2: PYSEC-1, CVE-1; fixed in 1.3", "2 packages"]),
        (1, report(BAD, UNKNOWN), 1, ["PYSEC-1", "1 packages", "WARNING: not audited: unknown"]),
        (0, report(GOOD, UNKNOWN), 0, ["1 packages", "WARNING: not audited: unknown"]),
        (0, report(UNKNOWN), 0, ["WARNING: nothing was audited: none of 1 packages"]),
        (1, report(GOOD), 1, ["1 packages"]),
    ],
)
def test_verdict_of_an_audit(audit, code, out, exit_code, said):
    ended, lines = audit.verdict(code, out, "")
    assert ended == exit_code
    assert len(lines) == len(said)
    assert all(words in line for words, line in zip(said, lines, strict=True))


@pytest.mark.parametrize(
    "err",
    [
        "Traceback\nrequests.exceptions.ConnectionError: Max retries exceeded\n",
        "ERROR:pip_audit._cli:Could not connect to the vulnerability feed\n",
        "Traceback\npip_audit._service.interface.ServiceError\n",
    ],
)
def test_verdict_without_network_is_a_warning(audit, err):
    code, (line,) = audit.verdict(1, "", err)
    assert code == 0
    assert "WARNING: nothing was audited" in line


@pytest.mark.parametrize(
    ("code", "err"), [(1, "ERROR: invalid requirements input"), (2, "usage: pip-audit"), (0, "")]
)
def test_verdict_of_a_broken_audit_is_a_failure(audit, code, err):
    ended, lines = audit.verdict(code, "", err)
    assert ended == 1
    assert lines[-1] == "audit: pip-audit broke."


def test_pip_audit_accepts_the_command_and_the_requirements(audit):
    """A dry run needs no network."""
    done = subprocess.run(
        [*audit.COMMAND, "--dry-run"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "would have audited" in done.stderr


def test_make_check_runs_the_audit():
    makefile = (PROJECT / "Makefile").read_text()
    check = makefile.partition("\ncheck:")[2].partition("\n\n")[0]
    assert "$(BIN)/python .ci/audit.py" in check
