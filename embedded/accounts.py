"""Whom Postgres runs as: it refuses root, so root lends it an unprivileged account."""

import os
import pwd
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from embedded.errors import StackError

PREFERRED = ("postgres", "nobody")
SHELTER = "embedded-supabase"


@dataclass(frozen=True)
class Account:
    """An unprivileged account of this machine."""

    uid: int
    gid: int

    def can_use(self, path: Path) -> bool:
        """Whether this account can reach the path; only the kernel knows, so it is asked."""
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
    """The account to lend to Postgres, None if we are an ordinary user ourselves.

    A cluster that exists keeps its owner, whatever accounts have come since.
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
    raise StackError(f"Postgres does not run as root, and there is no account {PREFERRED} to lend.")


def lend(account: Account | None, path: Path) -> None:
    """Give the path to the account, if one is lent at all."""
    if account is not None:
        account.take(path)


def shelter(account: Account) -> Path:
    """A folder of ours that the account can reach."""
    for base in (Path("/var/lib"), Path(tempfile.gettempdir())):
        folder = base / SHELTER
        try:
            folder.mkdir(mode=0o755, exist_ok=True)
        except OSError:
            continue
        if folder.stat().st_uid == 0 and account.can_use(folder):
            return folder
    raise StackError("No folder on this machine is within reach of an unprivileged account.")
