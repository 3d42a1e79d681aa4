"""A real Postgres server: its cluster, its settings, its start."""

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

from embedded.accounts import lend
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
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "fsync": "on",
}
PATIENCE = 60.0


@dataclass(frozen=True)
class Postgres:
    """One server: where its programs and its home are, and where it listens."""

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
        """How clients connect, as the role that a hosted Supabase gives out."""
        password = quote(self.secrets.postgres_password, safe="")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://postgres:{password}@{host}:{self.port}/postgres"

    def socket_dsn(self, role: str, password: str) -> str:
        """How the stack itself connects, past the network."""
        return psycopg2.extensions.make_dsn(
            host=str(self.sockets),
            port=self.port,
            user=role,
            password=password,
            dbname="postgres",
        )

    @property
    def admin_dsn(self) -> str:
        """The superuser's connection: for the making of roles, never for clients."""
        return self.socket_dsn(SUPERUSER, self.secrets.admin_password)

    @property
    def owner_dsn(self) -> str:
        """The connection of role ``postgres``, who owns the database and migrates it."""
        return self.socket_dsn("postgres", self.secrets.postgres_password)

    async def start(self) -> Child:
        """Start the server on an existing cluster; ``ready`` tells when it answers."""
        _forget_dead_postmaster(self.home.cluster)
        settings = {
            **SETTINGS,
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self.sockets),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return await Child.start(self._command("postgres", "-D", self.home.cluster, *options))

    async def ready(self, child: Child) -> None:
        """Wait until the server answers; fail if it ends instead."""
        async with asyncio.timeout(PATIENCE):
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
        """Run initdb, once; a half-made cluster of an interrupted start is made anew.

        Raises StackError if the cluster that is there needs another version.
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
        """Ordered by code points everywhere; before 17, only the system's own locale does that."""
        provider = ["--locale-provider=builtin"] if self.programs.major >= 17 else []
        return [*provider, "--locale=C.UTF-8"]

    @contextlib.contextmanager
    def _password_file(self) -> Iterator[Path]:
        path = self.home.root / f".{secrets.token_hex(8)}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, self.secrets.admin_password.encode())
            os.close(descriptor)
            lend(self.home.account, path)
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


def _forget_dead_postmaster(cluster: Path) -> None:
    """Remove the pid file of a killed server if its number now is somebody else's.

    Postgres sees by itself when no process has the number. We hold the home's lock, so
    no server of ours can be alive; a stranger's could, and is left for Postgres to refuse.
    """
    pid_file = cluster / "postmaster.pid"
    if pid_file.exists() and not _is_postgres(pid_file.read_text("utf-8").split("\n", 1)[0]):
        pid_file.unlink()


def _is_postgres(pid: str) -> bool:
    if Path("/proc/self/comm").exists():
        try:
            return "postgres" in Path("/proc", pid, "comm").read_text("utf-8")
        except (FileNotFoundError, ProcessLookupError):  # ended, perhaps just now
            return False
    shown = subprocess.run(
        ["ps", "-o", "comm=", "-p", pid], capture_output=True, text=True, check=False
    )
    return "postgres" in shown.stdout


def _tail(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-15:])
