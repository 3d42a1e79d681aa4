"""The complete stack: starts everything in order, and stops it in reverse order."""

import asyncio
import contextlib
import fcntl
import ipaddress
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from embedded.accounts import Account
from embedded.errors import StackError
from embedded.files import write_private
from embedded.gateway import gateway_app
from embedded.keys import Secrets
from embedded.migrations import apply_migrations
from embedded.paths import Data, Home, home_of, remove_unused_homes
from embedded.ports import free_port, listen
from embedded.postgres import Postgres
from embedded.postgrest import PostgREST, find_program
from embedded.programs import WHEEL, postgres_programs
from embedded.roles import make_roles
from embedded.storage.app import ensure_bucket, storage_app
from embedded.supervisor import kept_running

PROJECT = Path(__file__).resolve().parent.parent
DEFAULT_PORT, DEFAULT_POSTGRES_PORT = 54321, 54322
BUCKET = "imports"
SHUTDOWN_TIMEOUT_SECONDS = 2.0
POLL_SECONDS = 0.05

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """Options of the command. A port of None is the default one if that is free, 0 any free one."""

    data: Path
    host: str = "127.0.0.1"
    port: int | None = None
    postgres_port: int | None = None
    migrations: Path = PROJECT / "supabase" / "migrations"
    postgres: str = WHEEL
    """``wheel``, ``path`` or a folder: see ``postgres_programs``."""
    seconds_per_gb: float = 0.0
    """How long Storage works on each GB of an object before it answers: see Digests."""


@dataclass(frozen=True)
class Running:
    """A stack that is ready: its URL, and the name of its Postgres."""

    url: str
    postgres: str


@contextlib.asynccontextmanager
async def running_stack(options: Options) -> AsyncIterator[Running]:
    """Run everything until the end of the block, which begins when all of it is ready."""
    if not ipaddress.ip_address(options.host).is_loopback:
        raise StackError(
            f"{options.host} is not a loopback address; the stack is not meant for a network."
        )
    data = Data(options.data.resolve())
    data.make()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_locked_folder(data))
        data.env.unlink(missing_ok=True)
        listener = stack.enter_context(
            listen(options.host, requested=options.port, default=DEFAULT_PORT)
        )
        secrets = Secrets.load_or_create(data.secrets)
        postgres = await _prepare_postgres(stack, options, data, secrets)
        await stack.enter_async_context(kept_running("Postgres", postgres))
        await _prepare_database(postgres, options.migrations)
        postgrest = _postgrest(postgres, data)
        await stack.enter_async_context(kept_running("PostgREST", postgrest))
        gateway = _gateway(listener, options, data, secrets, postgrest.socket)
        await stack.enter_async_context(gateway)
        url = _url_of(listener)
        stack.enter_context(_env_file(data.env, _env(url, secrets, postgres)))
        yield Running(url, str(postgres.programs))


@contextlib.contextmanager
def _locked_folder(data: Data) -> Iterator[None]:
    """Lock the data folder until this process ends. Raises StackError if another one has it."""
    with (data.root / "lock").open("ab") as lock:
        if not _locked(lock.fileno()):
            raise StackError(f"Another stack is running on {data.root}.")
        yield


async def _prepare_postgres(
    stack: contextlib.AsyncExitStack, options: Options, data: Data, secrets: Secrets
) -> Postgres:
    home = await asyncio.to_thread(home_of, data)
    home.make()
    if isinstance(home.account, Account):
        await asyncio.to_thread(remove_unused_homes, home.account)
    postgres = Postgres(
        programs=await asyncio.to_thread(postgres_programs, options.postgres, home.account),
        home=home,
        sockets=stack.enter_context(home.sockets()),
        host=options.host,
        port=free_port(
            options.host, requested=options.postgres_port, default=DEFAULT_POSTGRES_PORT
        ),
        log=data.log("postgres"),
        secrets=secrets,
        lock=await stack.enter_async_context(_locked_cluster(home)),
    )
    postgres.log.write_text("", "utf-8")
    await postgres.make_cluster()
    return postgres


@contextlib.asynccontextmanager
async def _locked_cluster(home: Home) -> AsyncIterator[int]:
    """Lock the cluster; waits until the watchdogs of a killed stack have stopped its Postgres."""
    descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _locked(descriptor):  # noqa: ASYNC110 (other processes hold it)
            await asyncio.sleep(POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _prepare_database(postgres: Postgres, migrations: Path) -> None:
    await asyncio.to_thread(make_roles, postgres.admin_dsn, postgres.secrets)
    for done in await asyncio.to_thread(apply_migrations, postgres.owner_dsn, migrations):
        logger.info("Applied migration %s.", done.path.name)


def _postgrest(postgres: Postgres, data: Data) -> PostgREST:
    return PostgREST(
        program=find_program(PROJECT),
        database=postgres.socket_dsn("authenticator", postgres.secrets.authenticator_password),
        jwt_secret=postgres.secrets.jwt_secret,
        socket=postgres.sockets / "postgrest.sock",
        log=data.log("postgrest"),
    )


@contextlib.asynccontextmanager
async def _gateway(
    listener: socket.socket, options: Options, data: Data, secrets: Secrets, postgrest: Path
) -> AsyncIterator[None]:
    storage = await storage_app(
        data.storage, secrets.jwt_secret, seconds_per_gb=options.seconds_per_gb
    )
    await ensure_bucket(storage, BUCKET)
    keys = frozenset(secrets.api_key(role) for role in ("anon", "service_role"))
    app = gateway_app(storage, postgrest, keys)
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_TIMEOUT_SECONDS,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()


def _url_of(listener: socket.socket) -> str:
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _env(url: str, secrets: Secrets, postgres: Postgres) -> dict[str, str]:
    return {
        "SUPABASE_URL": url,
        "SUPABASE_ANON_KEY": secrets.api_key("anon"),
        "SUPABASE_SERVICE_ROLE_KEY": secrets.api_key("service_role"),
        "DATABASE_URL": postgres.url,
    }


@contextlib.contextmanager
def _env_file(path: Path, values: dict[str, str]) -> Iterator[None]:
    """Write the env file, and remove it at the end of the block."""
    write_private(path, "".join(f"{name}={value}\n" for name, value in values.items()))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
