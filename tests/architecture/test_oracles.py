"""The reference that tests compare the importer with shares no code with it."""

import ast
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SUPPORT = PROJECT / "tests" / "support"
OURS = {"config", "core", "service", "tasks", "contacts_import", "embedded", "local", "benchmarks"}
ORACLES = ["import_oracle", "reference_records", "reference_rules"]
JUDGED = {
    *("core.emails", "core.formats.csv.", "core.formats.csv_quotes", "core.formats.json"),
    *("core.formats.ndjson", "core.formats.encoding", "core.records.validation"),
    *("core.records.repair", "core.records.names", "core.records.plain", "core.records.values"),
    *("core.records.skipping", "core.records.columns", "service.option_names"),
}
"""What the oracles do a second time: no support module may borrow it."""


def imported(path: Path) -> set[str]:
    """Return the names of all modules that a module imports, wherever it does so."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def with_support_modules(name: str) -> set[str]:
    """Return what a support module imports, directly or through other support modules."""
    seen, pending, found = set(), {name}, set()
    while pending:
        module = pending.pop()
        seen.add(module)
        names = imported(SUPPORT / f"{module}.py")
        found |= names
        parts = [found_name.split(".") for found_name in names]
        pending |= {part[2] for part in parts if part[:2] == ["tests", "support"]} - seen
    return found


@pytest.mark.parametrize("oracle", ORACLES)
def test_an_oracle_imports_nothing_of_the_importer(oracle: str) -> None:
    packages = {name.partition(".")[0] for name in with_support_modules(oracle)}
    assert "tests" in packages or oracle == "reference_rules"
    assert not packages & OURS


@pytest.mark.parametrize("path", sorted(SUPPORT.glob("*.py")), ids=lambda path: path.stem)
def test_no_support_module_borrows_what_it_judges(path: Path) -> None:
    names = imported(path)
    assert not [
        name for name in names for judged in JUDGED if name == judged or name.startswith(judged)
    ]
