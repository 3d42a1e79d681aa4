"""Fails if a dependency has a known vulnerability.

pip-audit looks up the pinned versions. It succeeds if it finds nothing about a version, and fails
if the vulnerability service cannot be reached; here both are a warning, so that everything else can
be checked without network.
"""

import json
import re
import subprocess
import sys
from typing import Any

REQUIREMENTS = "requirements-dev.txt"
COMMAND = [
    *(sys.executable, "-m", "pip_audit", "--requirement", REQUIREMENTS),
    *("--disable-pip", "--progress-spinner", "off", "--format", "json"),
]
UNREACHABLE = re.compile(r"requests\.exceptions\.|ServiceError|ConnectionError|Could not connect")
"""In the output of pip-audit if the vulnerability service cannot be reached."""


def main() -> int:
    """Run the audit, print the result, and return the exit code."""
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)  # noqa: S603
    code, lines = verdict(done.returncode, done.stdout, done.stderr)
    for line in lines:
        print(line)
    return code


def verdict(code: int, out: str, err: str) -> tuple[int, list[str]]:
    """Return the exit code and the lines to print for the result of pip-audit."""
    try:
        audited = json.loads(out)["dependencies"]
    except ValueError:
        if code == 0 or not UNREACHABLE.search(err):
            return 1, [*err.splitlines(), "audit: pip-audit broke."]
        return 0, [f"audit: WARNING: nothing was audited: {_last(err)}"]
    found = [_finding(one, bug) for one in audited for bug in one.get("vulns", [])]
    unknown = [one["name"] for one in audited if "skip_reason" in one]
    return (1 if found or code else 0), [*found, *_summary(len(audited), unknown, len(found))]


def _finding(one: dict[str, Any], bug: dict[str, Any]) -> str:
    names = ", ".join([bug["id"], *bug.get("aliases", [])])
    fixed = ", ".join(bug["fix_versions"]) or "no version"
    return f"audit: {one['name']} {one['version']}: {names}; fixed in {fixed}"


def _summary(count: int, unknown: list[str], found: int) -> list[str]:
    known = count - len(unknown)
    if not known:
        return [f"audit: WARNING: nothing was audited: none of {count} packages could be looked up"]
    lines = [f"audit: {known} packages looked up, {found} known vulnerabilities"]
    if unknown:
        lines.append(f"audit: WARNING: not audited: {', '.join(unknown)}")
    return lines


def _last(err: str) -> str:
    return err.strip().splitlines()[-1][:300]


if __name__ == "__main__":
    sys.exit(main())
