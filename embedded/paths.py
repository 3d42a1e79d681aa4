"""Where things are: on the user's side the data folder, on Postgres' side its home.

Usually the home is inside the data folder. As root, Postgres runs as another account,
which may be unable to get there (a clone in a private home folder, say). Then the home
is one that the account can reach, keyed by the data folder, and the file ``home`` in
the data folder tells where.
"""

import contextlib
import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embedded.accounts import Account, account_for, lend, shelter
from embedded.files import write_private

LONGEST_SOCKET_FOLDER = 107 - len("/.s.PGSQL.65535.lock")


@dataclass(frozen=True)
class Data:
    """The data folder, as the user named it."""

    root: Path

    @property
    def env(self) -> Path:
        """What clients read; it exists only while everything answers."""
        return self.root / "env"

    @property
    def secrets(self) -> Path:
        """Passwords and the JWT secret."""
        return self.root / "secrets.json"

    @property
    def storage(self) -> Path:
        """The objects of the Storage stand-in."""
        return self.root / "storage"

    @property
    def home(self) -> Path:
        """A note of where Postgres lives, if that is not in here."""
        return self.root / "home"

    def log(self, program: str) -> Path:
        """Where one program's output goes."""
        return self.root / "logs" / f"{program}.log"

    def make(self) -> None:
        """Make the folder, for us alone where it is new."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.storage.mkdir(mode=0o700, exist_ok=True)
        self.log("any").parent.mkdir(mode=0o700, exist_ok=True)


@dataclass(frozen=True)
class Home:
    """The folder that belongs to Postgres' account."""

    root: Path
    account: Account | None

    @property
    def cluster(self) -> Path:
        """Postgres' own data directory."""
        return self.root / "cluster"

    @property
    def lock(self) -> Path:
        """Held while any process may use the cluster."""
        return self.root / "lock"

    def make(self) -> None:
        """Make the folder; others may pass through, to the sockets, but not look around."""
        self.root.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.root.chmod(0o711)
        lend(self.account, self.root)

    @contextlib.contextmanager
    def sockets(self) -> Iterator[Path]:
        """A folder for Unix sockets, whose paths may have no more than 107 bytes."""
        with contextlib.ExitStack() as stack:
            folder = self.root / "run"
            if len(bytes(folder)) > LONGEST_SOCKET_FOLDER:
                short = tempfile.TemporaryDirectory(prefix="sb-", dir=_short_temporary_folder())
                folder = Path(stack.enter_context(short))
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
            lend(self.account, folder)
            yield folder


def _short_temporary_folder() -> str:
    usual = tempfile.gettempdir()
    return usual if len(usual) < LONGEST_SOCKET_FOLDER - 16 else "/tmp"  # noqa: S108 (a folder of our own in it)


def home_of(data: Data) -> Home:
    """Find or found the home of Postgres for this data folder."""
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
    _open_to_passers(home.root.parent)
    home.make()
    if account.can_use(home.root):
        return True
    home.root.rmdir()
    return False


def _open_to_passers(folder: Path) -> None:
    """Let the account through the data folder, whose private files are private themselves."""
    folder.chmod(folder.stat().st_mode | 0o011)


def _sheltered(data: Data, account: Account) -> Home:
    key = hashlib.sha256(bytes(data.root)).hexdigest()[:16]
    home = Home(shelter(account) / key, account)
    write_private(data.home, f"{home.root}\n")  # first, lest it be taken for a dead one's
    home.make()
    (home.root / "data").write_text(f"{data.root}\n", "utf-8")
    return home


def forget_the_dead(account: Account) -> None:
    """Remove sheltered homes whose data folder is gone and that nobody uses."""
    for note in shelter(account).glob("*/data"):
        if not (Path(note.read_text("utf-8").strip()) / "home").exists():
            _remove_unless_used(Home(note.parent, account))


def _remove_unless_used(home: Home) -> None:
    with home.lock.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(home.root, ignore_errors=True)
