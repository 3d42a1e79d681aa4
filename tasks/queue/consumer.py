"""How messages are taken from the queue and given back: dramatiq-pg's way, with these changes.

* A message whose actor raised is never marked as done. Normally Retries has queued it again by
  then; if that failed or was interrupted, a later look finds the message.
* The messages of dead processes, and those that a stopping process gives back, are not announced.
  dramatiq-pg looks for them at random, every five minutes on average; here it is every few seconds.
  It would read the whole queue; here it is a page of messages that nobody has locked, and the next
  page at once while the pages are full.
* A message is marked as done before its lock is released. dramatiq-pg does that the other way
  round, and a process that looked in between would run the message once more.
* A message is taken only from the queue that it is in. dramatiq-pg checks its id only: a process
  that read of a message before it was delayed would take it from the delay queue, and the message
  would be run twice.
* The lock of a done message is released before the next message is taken. dramatiq-pg releases
  locks when no message is left: at the end of a long queue they would fill the server's memory.
* A process that has prefetched as many messages as it may waits until one of them is done.
  dramatiq-pg sleeps for longer and longer, up to a second, by which small imports would be delayed.
* A notification that arrives while the process does something else is seen at the next look.
  dramatiq-pg reads it from the connection, and then waits up to a second for another one.
* A message's lock is taken once. dramatiq-pg takes it in the condition of an update; if the row is
  changed meanwhile, Postgres evaluates the condition again, and the lock is held twice, or for
  nothing. Released once or never, it would hide the message for as long as the session exists.
* A lost connection is dramatiq's ConnectionError, after which dramatiq reconnects. dramatiq-pg
  translates one of psycopg2's two errors for that, and not the one of an interrupted transaction.
* A consumer that is closed closes its database session, which holds the locks. In the pool, the
  session would hold them for as long as the process runs.
"""

import random
import select
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from dramatiq import Message, MessageProxy
from dramatiq import errors as dramatiq_errors
from dramatiq_pg.broker import PostgresConsumer, message_lock
from dramatiq_pg.utils import check_conn, transaction
from psycopg2 import InterfaceError, OperationalError
from psycopg2.extensions import Notify
from psycopg2.pool import PoolError

_LOOK_SECONDS: Final = 5.0
"""Time between two looks for unclaimed messages, on average."""
_PAGE: Final = 100
"""Messages that one look finds at most."""
_FULL_SECONDS: Final = 1.0
"""How long a full process waits, until dramatiq checks whether it has to stop."""
_CLAIM: Final = """
    with claimed as materialized (select pg_try_advisory_lock(%(lock)s) as lock),
    taken as (
      update dramatiq.queue set state = 'consumed', mtime = now() at time zone 'UTC'
      from claimed
      where message_id = %(message)s and queue_name = %(queue)s
        and state in ('queued', 'consumed') and claimed.lock
      returning true
    )
    select lock, exists (select from taken) from claimed
"""
_SETTLE: Final = """
    update dramatiq.queue set state = %s
    where message_id = %s and queue_name = %s and state = 'consumed'
"""
_UNLOCK: Final = "select pg_advisory_unlock(%(lock)s)"
_UNCLAIMED: Final = "select message from dramatiq.unclaimed_messages(%s, %s) as message"


@contextmanager
def _translate_connection_errors() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise dramatiq_errors.ConnectionError(str(error)) from error


class Delivery(MessageProxy):
    """A message that is being processed; knows whether its actor has raised."""

    raised = False

    def stuff_exception(self, exception: BaseException) -> None:
        """Note that the actor has raised; dramatiq calls this before any middleware."""
        self.raised = True
        super().stuff_exception(exception)  # type: ignore[no-untyped-call]


class _InProcessing(set[str]):
    """Ids of the messages that this process has taken; its size can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._discarded = threading.Event()

    def discard(self, message_id: object) -> None:
        """Remove an id, and wake the waiting thread.

        The id may be missing: after a reconnect, messages of the former consumer end here too.
        """
        super().discard(message_id)
        self._discarded.set()

    def wait_for_fewer_than(self, count: int, seconds: float) -> bool:
        """Wait for so many seconds at most; returns whether there are fewer ids."""
        self._discarded.clear()
        return len(self) < count or (self._discarded.wait(seconds) and len(self) < count)


class Consumer(PostgresConsumer):  # type: ignore[misc]
    """Takes the messages of a queue, or of its delay queue, for one process."""

    _consume_conn: Any
    _listen_conn: Any

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.in_processing = _InProcessing()
        self._next_look = _next_look()
        self._has_more = False

    @_translate_connection_errors()
    def __next__(self) -> Delivery | None:
        if not self.unlock_q.empty():
            self.purge_locks()
        if not self.in_processing.wait_for_fewer_than(self.prefetch, _FULL_SECONDS):
            return None
        taken: MessageProxy | None = super().__next__()
        return None if taken is None else Delivery(taken.copy())  # type: ignore[no-untyped-call]

    @_translate_connection_errors()
    def consume_one(self, message: Message[None]) -> bool:
        """Claim a message; returns False if another process has it, or it is done."""
        if message.message_id in self.in_processing:
            return False
        ids = {
            "lock": message_lock(message),
            "message": message.message_id,
            "queue": self.queue_name,
        }
        with transaction(self.get_consume_conn()) as cursor:
            cursor.execute(_CLAIM, ids)
            claimed, taken = cursor.fetchone()
            if claimed and not taken:
                cursor.execute(_UNLOCK, ids)
        return bool(taken)

    @_translate_connection_errors()
    def poll_for_notify(self) -> None:
        """Wait up to a second for a notification; every few seconds look for other messages."""
        if not self._has_more:
            self._wait_for_notify()
        if self._has_more or (not self.notifies and time.monotonic() >= self._next_look):
            self.notifies += self.fetch_pending_notifies()

    def _wait_for_notify(self) -> None:
        # Reads what has arrived since the last call, as each query on this connection does too:
        # select() would not return for it.
        conn = self.get_listen_conn()
        if not conn.notifies:
            select.select([conn], [], [], self.timeout)
            check_conn(conn)
        self.notifies += conn.notifies
        conn.notifies.clear()

    @_translate_connection_errors()
    def fetch_pending_notifies(self) -> list[Notify]:
        """Return the oldest messages that nobody has locked, one page, as notifications."""
        with transaction(self.get_listen_conn()) as cursor:
            cursor.execute(_UNCLAIMED, (self.queue_name, _PAGE))
            notifies = [Notify(0, "", payload) for (payload,) in cursor]
        self._has_more = len(notifies) == _PAGE
        self._next_look = _next_look()
        return notifies

    def ack(self, message: MessageProxy) -> None:
        """Mark a message as done unless its actor has raised, and release it."""
        if not (isinstance(message, Delivery) and message.raised):
            self._settle(message, "done")
        self._release(message)

    def nack(self, message: MessageProxy) -> None:
        """Mark a message as rejected, so that it is not retried, and release it."""
        self._settle(message, "rejected")
        self._release(message)

    @_translate_connection_errors()
    def _settle(self, message: MessageProxy, state: str) -> None:
        # A message that Retries has queued again is not 'consumed' any more, and stays queued.
        with transaction(self.pool) as cursor:
            cursor.execute(_SETTLE, (state, message.message_id, message.queue_name))

    def _release(self, message: MessageProxy) -> None:
        self.unlock_q.put_nowait(message)
        self.in_processing.discard(message.message_id)

    @_translate_connection_errors()
    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give back messages that no thread has started.

        Raises dramatiq's ConnectionError if Postgres is unavailable, also if the process is
        stopping and gets no new connection: on another error it would end with exit code 1.
        """
        try:
            super().requeue(messages)
        except PoolError as error:
            raise dramatiq_errors.ConnectionError(str(error)) from error

    def close(self) -> None:
        """End the sessions, and with them their locks.

        dramatiq calls this from its main thread while a stopping process waits in vain for the
        consumer's own, which hangs in a call of Postgres. As soon as its session is closed here,
        that thread returns the connection to the pool, too: the second time is no error.
        """
        for conn in (self._consume_conn, self._listen_conn):
            if conn is not None:
                conn.close()
                with suppress(PoolError):
                    self.pool.putconn(conn)
        self._consume_conn = self._listen_conn = None


def _next_look() -> float:
    # A random time, so that the processes do not all look at the same moment.
    return time.monotonic() + _LOOK_SECONDS * random.uniform(0.75, 1.25)  # noqa: S311
