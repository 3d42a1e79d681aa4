"""The queue's connections to Postgres: a pool that exists before it is known where Postgres is.

Both ends notice within half a minute that the other has vanished. It matters most at the server's:
what a worker had in work stays locked for as long as the server believes in its connection.
"""

from typing import Any, Final

from dramatiq_pg.utils import make_pool
from psycopg2 import OperationalError, ProgrammingError
from psycopg2.extensions import connection, parse_dsn
from psycopg2.pool import PoolError, ThreadedConnectionPool

from config.settings import Settings, SettingsError

_CONSUMERS: Final = 4
"""Connections held all the time: a queue and its delay queue, two each."""
_SPARE: Final = 4
"""For what the consumers and the main thread do beside their waiting."""
_CLIENT: Final = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
NOTICE_LOSS: Final = """
    set tcp_keepalives_idle = 10;
    set tcp_keepalives_interval = 5;
    set tcp_keepalives_count = 3;
    set tcp_user_timeout = 25000;
"""
"""What a session tells its server, so that the server notices when we have vanished."""


class QueueConnection(connection):
    """A connection whose loss the server notices, too.

    (Not by libpq's ``options``: poolers refuse or misread them.)
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        with self, self.cursor() as cursor:
            cursor.execute(NOTICE_LOSS)


def connection_arguments(settings: Settings) -> dict[str, Any]:
    """How to connect to the database for the queue, as psycopg2 takes it; raises SettingsError."""
    return {"connection_factory": QueueConnection, **libpq_arguments(settings)}


def libpq_arguments(settings: Settings) -> dict[str, Any]:
    """How to connect to the database, as libpq takes it; raises SettingsError."""
    try:
        given = parse_dsn(settings.database_url.get_secret_value())
    except ProgrammingError:
        # libpq's message may quote the password.
        line = "DATABASE_URL must be an address that libpq knows, without foreign query parameters"
        raise SettingsError([line]) from None
    return {**_CLIENT, "application_name": "contacts-worker", **given}


class DeferredPool:
    """A psycopg2 pool that is opened after the broker got it; no I/O until a connection is used."""

    def __init__(self) -> None:
        self._pool: ThreadedConnectionPool | None = None
        self._stopping = False

    def open(self, arguments: dict[str, Any], threads: int) -> None:
        """Tell where Postgres is, and how many threads work here."""
        # With fewer connections than users, psycopg2 would not wait but raise.
        most = _CONSUMERS + _SPARE + threads
        self._pool = make_pool({**arguments, "minconn": _CONSUMERS + 1}, maxconn=most)

    @property
    def minconn(self) -> int:
        """Connections that stay open when they are not in use."""
        return int(self._opened().minconn)

    def getconn(self) -> connection:
        """Take a connection; raises OperationalError, or PoolError if it is no use to try again.

        dramatiq-pg tries again for minutes at the former, and never at the latter.
        """
        try:
            return self._opened().getconn()
        except OperationalError as error:
            if self._stopping:
                raise PoolError("Postgres is away, and this process is stopping") from error
            raise

    def stop_waiting(self) -> None:
        """From now on do not wait for a Postgres that is away."""
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
            raise RuntimeError("the queue's connections are only there in a worker process")
        return self._pool
