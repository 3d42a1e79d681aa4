"""The account that Postgres runs as: it refuses to run as root, so root uses another one."""

import os
import pwd
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from embedded.errors import StackError

PREFERRED = ("postgres", "nobody")
FOLDER = "embedded-supabase"


@dataclass(frozen=True)
class Account:
    """An unprivileged account of this machine."""

    uid: int
    gid: int

    def can_use(self, path: Path) -> bool:
        """Whether this account can read and enter the path, tried in a process of that account."""
        probe = subprocess.run(
            ["/bin/sh", "-c", 'test -x "$1" && test -r "$1"', "sh", str(path)],
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            cwd="/",
            check=False,
        )
        return probe.returncode == 0

    def take(self, path: Path) -> None:
        """Make this account the owner of a file or folder."""
        os.chown(path, self.uid, self.gid)


def account_for(cluster: Path) -> Account | None:
    """Return the account for Postgres, None if this process is not root.

    A cluster that exists keeps its owner, even if there is another preferred account now.
    """
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    return _unprivileged()


def _unprivileged() -> Account:
    for name in PREFERRED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise StackError(f"Postgres does not run as root, and none of the accounts {PREFERRED} exists.")


def give_to(account: Account | None, path: Path) -> None:
    """Make the account the owner of the path, unless it is None."""
    if account is not None:
        account.take(path)


def reachable_folder(account: Account) -> Path:
    """Return a folder of root that the account can reach. Raises StackError if there is none."""
    for base in (Path("/var/lib"), Path(tempfile.gettempdir())):
        folder = base / FOLDER
        try:
            folder.mkdir(mode=0o755, exist_ok=True)
        except OSError:
            continue
        if folder.stat().st_uid == 0 and account.can_use(folder):
            return folder
    raise StackError("An unprivileged account can reach no folder on this machine.")
