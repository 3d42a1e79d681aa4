"""A Postgres server: its cluster, its settings, its start."""

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg2
import psycopg2.extensions

from embedded.accounts import give_to
from embedded.errors import StackError
from embedded.keys import Secrets
from embedded.paths import Home
from embedded.processes import Child, Command, run
from embedded.programs import Programs

SUPERUSER = "supabase_admin"
ACCESS = """\
local all all scram-sha-256
host all all 127.0.0.0/8 scram-sha-256
host all all ::1/128 scram-sha-256
"""
SETTINGS = {
    "shared_buffers": "128MB",
    "max_wal_size": "4GB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "fsync": "on",
    "backend_flush_after": "256kB",
}
"""Chosen so that commits do not wait long for the disk while a large import runs.

During a checkpoint they wait for half a second to two: so there are fewer of them, and sessions
write as they go. Postgres makes tables longer with pages of zeros, which stay in the system's cache
until the real ones leave ``shared_buffers``; Linux writes them all at once when they are half a
minute old, for which commits wait 0.2 s with 128 MB, and 1 to 2 s with 1 GB.
"""
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Postgres:
    """A server, with the paths and the address that it uses."""

    programs: Programs
    home: Home
    sockets: Path
    host: str
    port: int
    log: Path
    secrets: Secrets
    lock: int

    @property
    def url(self) -> str:
        """The URL for clients, with the role that a hosted Supabase gives to its users."""
        password = quote(self.secrets.postgres_password, safe="")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://postgres:{password}@{host}:{self.port}/postgres"

    def socket_dsn(self, role: str, password: str) -> str:
        """Return how the stack itself connects, through the Unix socket."""
        return psycopg2.extensions.make_dsn(
            host=str(self.sockets),
            port=self.port,
            user=role,
            password=password,
            dbname="postgres",
        )

    @property
    def admin_dsn(self) -> str:
        """The connection of the superuser, which creates the roles; not for clients."""
        return self.socket_dsn(SUPERUSER, self.secrets.admin_password)

    @property
    def owner_dsn(self) -> str:
        """The connection of the role ``postgres``, which owns and migrates the database."""
        return self.socket_dsn("postgres", self.secrets.postgres_password)

    async def start(self) -> Child:
        """Start the server on an existing cluster; ``ready`` waits until it answers."""
        _remove_stale_pid_file(self.home.cluster)
        settings = {
            **SETTINGS,
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self.sockets),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return await Child.start(self._command("postgres", "-D", self.home.cluster, *options))

    async def ready(self, child: Child) -> None:
        """Wait until the server answers. Raises StackError if it ends instead."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not await asyncio.to_thread(self._answers):
                if child.ended:
                    raise StackError(f"Postgres did not start:\n{_tail(self.log)}")
                await asyncio.sleep(0.03)

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.admin_dsn).close()
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StackError("The cluster has other passwords than the data folder.") from error
            return False
        return True

    async def make_cluster(self) -> None:
        """Run initdb unless there is a cluster; an incomplete one is created again.

        Raises StackError if the cluster needs another version of Postgres.
        """
        version = self.home.cluster / "PG_VERSION"
        if version.exists():
            self._check_version(version.read_text("utf-8").strip())
            return
        half_made = self.home.root / "cluster.new"
        shutil.rmtree(half_made, ignore_errors=True)
        with self._password_file() as password:
            await self._initdb(half_made, password)
        (half_made / "pg_hba.conf").write_text(ACCESS, "utf-8")
        half_made.rename(self.home.cluster)

    def _check_version(self, made_by: str) -> None:
        if made_by != str(self.programs.major):
            raise StackError(
                f"The data folder was made by Postgres {made_by}, which {self.programs} cannot use:"
                " choose the same Postgres as before, or another data folder."
            )

    async def _initdb(self, target: Path, password: Path) -> None:
        command = self._command(
            "initdb",
            f"--pgdata={target}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--data-checksums",
            *self._locale(),
        )
        if await run(command) != 0:
            raise StackError(f"initdb failed:\n{_tail(self.log)}")

    def _locale(self) -> list[str]:
        """Return initdb's options for sorting by code points, which need the C locale before 17."""
        provider = ["--locale-provider=builtin"] if self.programs.major >= 17 else []
        return [*provider, "--locale=C.UTF-8"]

    @contextlib.contextmanager
    def _password_file(self) -> Iterator[Path]:
        path = self.home.root / f".{secrets.token_hex(8)}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, self.secrets.admin_password.encode())
            os.close(descriptor)
            give_to(self.home.account, path)
            yield path
        finally:
            path.unlink()

    def _command(self, program: str, *arguments: str | Path) -> Command:
        return Command(
            [self.programs.folder / program, *arguments],
            log=self.log,
            environment={"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": os.defpath},
            stop="SIGINT",
            account=self.home.account,
            keeps=(self.lock,),
        )


def _remove_stale_pid_file(cluster: Path) -> None:
    """Remove the pid file of a killed server if another program now has its process id.

    Postgres itself notices if no process has the id. The lock of the home is held, so no server of
    this stack can be alive; if another Postgres has the id, Postgres refuses to start.
    """
    pid_file = cluster / "postmaster.pid"
    if pid_file.exists() and not _is_postgres(pid_file.read_text("utf-8").split("\n", 1)[0]):
        pid_file.unlink()


def _is_postgres(pid: str) -> bool:
    if Path("/proc/self/comm").exists():
        try:
            return "postgres" in Path("/proc", pid, "comm").read_text("utf-8")
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            return False
    shown = subprocess.run(
        ["ps", "-o", "comm=", "-p", pid], capture_output=True, text=True, check=False
    )
    return "postgres" in shown.stdout


def _tail(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-15:])
