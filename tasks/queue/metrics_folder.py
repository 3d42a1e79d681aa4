"""The folder in which the worker processes of one master share their metrics.

dramatiq uses a folder with a known name in the temporary directory, which anybody on the machine
may have made before, and in which the files of all processes stay. Here each master has a folder of
its own, which only its user can read, and the next one removes what dead masters have left.
"""

import contextlib
import multiprocessing
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import Final

from dramatiq.middleware import prometheus

from tasks.errors import EXIT_UNFIT

NAMED_BY: Final = "dramatiq_prom_db"
"""Environment variable that names another folder, as for dramatiq; it is used as it is."""
_PREFIX: Final = "contacts-importer-metrics"


class MetricsFolderError(Exception):
    """The folder belongs to another user, or others can write to it."""


def use_own_folder() -> None:
    """Have dramatiq keep the metrics of this process in its master's folder.

    Every process that dramatiq starts calls this before its first metric. Raises
    MetricsFolderError.
    """
    if NAMED_BY not in os.environ:
        parent = multiprocessing.parent_process()
        prometheus.DB_PATH = str(folder_of(os.getppid() if parent is None else parent.pid or 0))


def enter_own_folder() -> None:
    """Do the same, and end the process if that fails: dramatiq would only log an exception."""
    try:
        use_own_folder()
    except MetricsFolderError as error:
        print(error, file=sys.stderr, flush=True)
        raise SystemExit(EXIT_UNFIT) from None


def folder_of(master: int, base: Path | None = None) -> Path:
    """Make and return the folder of a master process, and remove those of dead ones.

    Raises MetricsFolderError if it was made by somebody else.
    """
    base = Path(tempfile.gettempdir()) if base is None else base
    own = base / _name(master)
    for folder in base.glob(f"{_PREFIX}-{os.getuid()}-*"):
        if folder != own and not _is_used(folder):
            shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(FileExistsError):
        own.mkdir(mode=0o700)
    found = own.lstat()
    is_private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if found.st_uid != os.getuid() or not is_private:
        raise MetricsFolderError(
            f"{own} is not a folder of this user alone: remove it, "
            f"or name another one with {NAMED_BY}"
        )
    return own


def _name(master: int) -> str:
    """Return the name of a folder: no two processes have number and start in common."""
    return f"{_PREFIX}-{os.getuid()}-{master}-{_start_of(master)}"


def _is_used(folder: Path) -> bool:
    master, _, start = folder.name.removeprefix(f"{_PREFIX}-{os.getuid()}-").partition("-")
    if not master.isdecimal():
        return True  # not one of ours
    if _start_of(int(master)) != start:
        return False
    try:
        os.kill(int(master), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _start_of(process: int) -> str:
    """Return when a process started, in ticks since the machine did (proc(5)); "0" if unknown."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "0"
    return fields[19]
