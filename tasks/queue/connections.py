"""The queue's connections to Postgres, in a pool that is made before the settings are read.

Keepalives at both ends detect within half a minute that the other end is gone. It matters most for
the server: the messages of a vanished worker stay locked for as long as its session exists.
"""

from typing import Any, Final

from dramatiq_pg.utils import make_pool
from psycopg2 import OperationalError, ProgrammingError
from psycopg2.extensions import connection, parse_dsn
from psycopg2.pool import PoolError, ThreadedConnectionPool

from config.settings import Settings, SettingsError

_CONNECTIONS_PER_QUEUE: Final = 4
"""Held all the time: two for the queue, two for its delay queue."""
_SPARE_CONNECTIONS: Final = 4
"""For the short transactions of the consumers and the main thread."""
_CLIENT_KEEPALIVES: Final = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
SERVER_KEEPALIVES: Final = """
    set tcp_keepalives_idle = 10;
    set tcp_keepalives_interval = 5;
    set tcp_keepalives_count = 3;
    set tcp_user_timeout = 25000;
"""
"""Run at the start of a session, so that the server detects that this client is gone."""
_NO_WAIT_FOR_DISK: Final = "set synchronous_commit = off;"
"""A crash of Postgres may lose what became of a message in the last half second.

The message is then processed again, which changes nothing. What it has done is committed by other
sessions, which wait for the disk.
"""


class QueueConnection(connection):
    """A connection with keepalives at the server's end too, whose commits are asynchronous.

    Not with libpq's ``options``: poolers reject or misread them.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        with self, self.cursor() as cursor:
            cursor.execute(SERVER_KEEPALIVES + _NO_WAIT_FOR_DISK)


def connection_arguments(settings: Settings) -> dict[str, Any]:
    """Return psycopg2's arguments for a connection of the queue; raises SettingsError."""
    return {"connection_factory": QueueConnection, **libpq_arguments(settings)}


def libpq_arguments(settings: Settings) -> dict[str, Any]:
    """Return libpq's parameters for a connection; raises SettingsError if the URL has others."""
    try:
        parameters = parse_dsn(settings.database_url.get_secret_value())
    except ProgrammingError:
        # libpq's message may quote the password.
        line = "DATABASE_URL must be an address for libpq, with query parameters that libpq knows"
        raise SettingsError([line]) from None
    return {**_CLIENT_KEEPALIVES, "application_name": "contacts-worker", **parameters}


class DeferredPool:
    """A psycopg2 pool that the broker gets before it is known where Postgres is."""

    def __init__(self) -> None:
        self._pool: ThreadedConnectionPool | None = None
        self._stopping = False

    def open(self, arguments: dict[str, Any], *, queues: int, threads: int) -> None:
        """Make the pool for a process with so many queues and threads; does not connect yet."""
        # psycopg2 raises if there are fewer connections than users, and does not wait.
        consumers = _CONNECTIONS_PER_QUEUE * queues
        max_connections = consumers + _SPARE_CONNECTIONS + threads
        arguments = {**arguments, "minconn": consumers + 1}
        self._pool = make_pool(arguments, maxconn=max_connections)

    @property
    def minconn(self) -> int:
        """Connections that stay open while they are not in use."""
        return int(self._opened().minconn)

    def getconn(self) -> connection:
        """Take a connection.

        Raises OperationalError if Postgres is unavailable, which dramatiq-pg retries for minutes,
        or PoolError, which it does not retry, if this process is stopping as well.
        """
        try:
            return self._opened().getconn()
        except OperationalError as error:
            if self._stopping:
                raise PoolError("Postgres is unavailable, and the process is stopping") from error
            raise

    def stop_waiting(self) -> None:
        """Do not wait for an unavailable Postgres from now on."""
        self._stopping = True

    def putconn(self, conn: connection) -> None:
        """Give a connection back."""
        self._opened().putconn(conn)

    def close(self) -> None:
        """Close all connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.closeall()

    def _opened(self) -> ThreadedConnectionPool:
        if self._pool is None:
            raise RuntimeError("the queue's connections are open in a worker process only")
        return self._pool
