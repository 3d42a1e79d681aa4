"""The folders and files of a stack: the data folder of the user, and the home of Postgres.

Usually the home is inside the data folder. For root, Postgres runs as another account, which may be
unable to enter the data folder (a clone in a private home folder, for example). Then the home is a
folder that the account can reach, named by a hash of the data folder, whose file ``home`` has its
path.
"""

import contextlib
import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embedded.accounts import Account, account_for, give_to, reachable_folder
from embedded.files import write_private

LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.65535.lock")


@dataclass(frozen=True)
class Data:
    """The data folder that the user chose."""

    root: Path

    @property
    def env(self) -> Path:
        """The env file for clients; it exists only while the stack is ready."""
        return self.root / "env"

    @property
    def secrets(self) -> Path:
        """The file with the passwords and the JWT secret."""
        return self.root / "secrets.json"

    @property
    def storage(self) -> Path:
        """The folder of the Storage stand-in."""
        return self.root / "storage"

    @property
    def home(self) -> Path:
        """The file with the path of the home of Postgres, if that is outside of this folder."""
        return self.root / "home"

    def log(self, program: str) -> Path:
        """Return the log file of a program."""
        return self.root / "logs" / f"{program}.log"

    def make(self) -> None:
        """Create the folder, accessible only to this user."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.storage.mkdir(mode=0o700, exist_ok=True)
        self.log("any").parent.mkdir(mode=0o700, exist_ok=True)


@dataclass(frozen=True)
class Home:
    """The folder that belongs to the account of Postgres."""

    root: Path
    account: Account | None

    @property
    def cluster(self) -> Path:
        """The data directory of Postgres."""
        return self.root / "cluster"

    @property
    def lock(self) -> Path:
        """The file that is locked while any process may use the cluster."""
        return self.root / "lock"

    def make(self) -> None:
        """Create the folder; other users can enter it, to use the sockets, but not list it."""
        self.root.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.root.chmod(0o711)
        give_to(self.account, self.root)

    @contextlib.contextmanager
    def sockets(self) -> Iterator[Path]:
        """Give a folder for Unix sockets, whose paths may have at most 107 bytes."""
        with contextlib.ExitStack() as stack:
            folder = self.root / "run"
            if len(bytes(folder)) > LONGEST_SOCKET_FOLDER:
                short = tempfile.TemporaryDirectory(prefix="sb-", dir=_short_temporary_folder())
                folder = Path(stack.enter_context(short))
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
            give_to(self.account, folder)
            yield folder


def _short_temporary_folder() -> str:
    usual = tempfile.gettempdir()
    return usual if len(usual) < LONGEST_SOCKET_FOLDER - 16 else "/tmp"  # noqa: S108 (a folder of our own in it)


def home_of(data: Data) -> Home:
    """Return the home of Postgres for this data folder; creates it if there is none."""
    inside = data.root / "postgres"
    if data.home.exists():
        root = Path(data.home.read_text("utf-8").strip())
        return Home(root, account_for(root / "cluster"))
    account = account_for(inside / "cluster")
    home = Home(inside, account)
    if account is None or _reachable(account, home):
        return home
    return _sheltered(data, account)


def _reachable(account: Account, home: Home) -> bool:
    _let_others_enter(home.root.parent)
    home.make()
    if account.can_use(home.root):
        return True
    home.root.rmdir()
    return False


def _let_others_enter(folder: Path) -> None:
    """Let the account pass through the data folder, whose private files stay private."""
    folder.chmod(folder.stat().st_mode | 0o011)


def _sheltered(data: Data, account: Account) -> Home:
    key = hashlib.sha256(bytes(data.root)).hexdigest()[:16]
    home = Home(reachable_folder(account) / key, account)
    write_private(data.home, f"{home.root}\n")  # first, so that it does not look unused
    home.make()
    (home.root / "data").write_text(f"{data.root}\n", "utf-8")
    return home


def remove_unused_homes(account: Account) -> None:
    """Remove homes outside of data folders that are unused and whose data folder is gone."""
    for note in reachable_folder(account).glob("*/data"):
        if not (Path(note.read_text("utf-8").strip()) / "home").exists():
            _remove_unless_used(Home(note.parent, account))


def _remove_unless_used(home: Home) -> None:
    with home.lock.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(home.root, ignore_errors=True)
