"""Chooses the Postgres: the wheel's, or one that is installed on this machine."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from embedded.accounts import Account
from embedded.errors import StackError
from embedded.pg_wheel import wheel_programs

WHEEL, ON_PATH = "wheel", "path"
DEBIAN = Path("/usr/lib/postgresql")
NEEDED = ("postgres", "initdb")
OLDEST = 15
_is_version = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4})?").fullmatch
ABSENT = (
    "There is no Postgres on the PATH, nor in /usr/lib/postgresql. On Debian and Ubuntu install it "
    "with `apt-get install postgresql`, with Homebrew with `brew install postgresql`."
)


@dataclass(frozen=True)
class Programs:
    """The folder of the programs of Postgres, and their version, such as 15.18."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The major version, which a cluster depends on."""
        return int(re.split(r"[^0-9]", self.version, maxsplit=1)[0])

    def __str__(self) -> str:
        return f"Postgres {self.version} ({self.folder})"


def postgres_programs(choice: str, account: Account | None, debian: Path = DEBIAN) -> Programs:
    """Return the chosen programs: of the ``wheel``, on the ``path`` (or Debian's), or in a folder.

    ``debian`` is the folder with Debian's versions. Raises StackError if the programs are missing,
    too old, or unreachable for the account.
    """
    folder = wheel_programs(account) if choice == WHEEL else _installed(choice, debian)
    if account is not None and not account.can_use(folder / "postgres"):
        raise StackError(f"Postgres does not run as root, and others cannot reach {folder}.")
    programs = Programs(folder, _version(folder))
    if programs.major < OLDEST:
        raise StackError(f"{programs} is too old: {OLDEST} is the oldest that Supabase has.")
    return programs


def _installed(choice: str, debian: Path) -> Path:
    if choice == ON_PATH:
        return _on_path() or _newest_of_debian(debian)
    folder = Path(choice).resolve()
    if not _complete(folder):
        names = ", ".join(NEEDED)
        raise StackError(f"{choice} is not a folder with the programs of Postgres: {names}.")
    return folder


def _on_path() -> Path | None:
    """Return the folder of a Postgres on the PATH; links are followed, as Debian needs."""
    found = shutil.which("postgres")
    folder = Path(found).resolve().parent if found else None
    return folder if folder and _complete(folder) else None


def _newest_of_debian(debian: Path) -> Path:
    found = [
        folder
        for folder in debian.glob("[0-9]*/bin")
        if _is_version(folder.parent.name) and _complete(folder)
    ]
    if not found:
        raise StackError(ABSENT)
    return max(found, key=lambda folder: float(folder.parent.name))


def _complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in NEEDED)


def _version(folder: Path) -> str:
    output = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    return output.stdout.split()[2]  # postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
