"""How messages are taken from the queue and given back: dramatiq-pg's way, made sure.

* A message whose actor raised is never marked as done. Normally Retries has queued it again by
  then; if that failed, or was interrupted, the message is found by the next look.
* Messages of dead processes, and those that a stopping process gives back, are announced to nobody.
  dramatiq-pg looks for them by a throw of dice, on average after five minutes; here it is seconds.
  It would read the whole queue for that; here it is a page of those that nobody has locked. While
  the pages are full, the next one comes without waiting.
* A message is marked as done before its lock is let go of. dramatiq-pg does the second first, and
  another process that looked just then would have it done once more.
* A message is taken only from the queue that it is in. dramatiq-pg looks at its id alone: who had
  read of it before it was delayed would take it from the delay queue, and it would be done twice.
* A done message's lock is let go of before the next message is taken. dramatiq-pg does so when
  there is nothing left to take: at the end of a long queue the locks fill the server's memory.
* While a process has all the messages it may have, it waits for one of them to end, to the moment.
  dramatiq-pg sleeps, and longer each time, a second in the end: small imports would wait for that.
* A message's lock is taken once. dramatiq-pg takes it while it looks for the row; where that row is
  changed meanwhile, Postgres looks again, and the lock is held twice, or for nothing. It was let go
  of once, or never, and the message found by nobody for as long as the session lived.
* A connection that is lost is dramatiq's ConnectionError, after which it tries again. dramatiq-pg
  makes it of one of psycopg2's two errors only; where a transaction breaks, it is the other one.
* A message is locked by a database session. When a consumer closes, so does its session; back in
  the pool, it would keep the lock for as long as the process lives.
"""

import random
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from dramatiq import Message, MessageProxy
from dramatiq import errors as dramatiq_errors
from dramatiq_pg.broker import PostgresConsumer, message_lock
from dramatiq_pg.utils import transaction
from psycopg2 import InterfaceError, OperationalError
from psycopg2.extensions import Notify
from psycopg2.pool import PoolError

_LOOK_SECONDS: Final = 5.0
_PAGE: Final = 100
_FULL_SECONDS: Final = 1.0
"""So often at least dramatiq must be able to look whether it shall stop."""
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
_LET_GO: Final = "select pg_advisory_unlock(%(lock)s)"
_UNCLAIMED: Final = "select message from dramatiq.unclaimed_messages(%s, %s) as message"


@contextmanager
def _telling_loss() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise dramatiq_errors.ConnectionError(str(error)) from error


class Delivery(MessageProxy):
    """A message in work, which knows whether its actor has raised."""

    raised = False

    def stuff_exception(self, exception: BaseException) -> None:
        """Called by dramatiq with what the actor raised, before any middleware sees it."""
        self.raised = True
        super().stuff_exception(exception)  # type: ignore[no-untyped-call]


class _InProcessing(set[str]):
    """Ids of the messages that this process has; tells when they become fewer."""

    def __init__(self) -> None:
        super().__init__()
        self._fewer = threading.Event()

    def discard(self, message_id: object) -> None:
        """As usual, and wake up who waits for it.

        After a reconnect, messages that the former consumer has taken end here too.
        """
        super().discard(message_id)
        self._fewer.set()

    def are_fewer_than(self, count: int, seconds: float) -> bool:
        """Wait until there are, but no longer than that."""
        self._fewer.clear()
        return len(self) < count or (self._fewer.wait(seconds) and len(self) < count)


class Consumer(PostgresConsumer):  # type: ignore[misc]
    """Takes messages for one process, from a queue or from its delay queue."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.in_processing = _InProcessing()
        self._next_look = _next_look()
        self._more = False

    @_telling_loss()
    def __next__(self) -> Delivery | None:
        if not self.unlock_q.empty():
            self.purge_locks()
        if not self.in_processing.are_fewer_than(self.prefetch, _FULL_SECONDS):
            return None
        taken: MessageProxy | None = super().__next__()
        return None if taken is None else Delivery(taken.copy())  # type: ignore[no-untyped-call]

    @_telling_loss()
    def consume_one(self, message: Message[None]) -> bool:
        """Take a message unless another has it, or it is done."""
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
                cursor.execute(_LET_GO, ids)
        return bool(taken)

    def poll_for_notify(self) -> None:
        """Wait up to a second for news; now and then look for messages nobody told of."""
        if not self._more:
            super().poll_for_notify()
        if self._more or (not self.notifies and time.monotonic() >= self._next_look):
            self.notifies += self.fetch_pending_notifies()

    @_telling_loss()
    def fetch_pending_notifies(self) -> list[Notify]:
        """Look for messages that wait, or whose process is gone: the oldest ones, one page."""
        with transaction(self.get_listen_conn()) as cursor:
            cursor.execute(_UNCLAIMED, (self.queue_name, _PAGE))
            found = [Notify(0, "", payload) for (payload,) in cursor]
        self._more = len(found) == _PAGE
        self._next_look = _next_look()
        return found

    def ack(self, message: MessageProxy) -> None:
        """Mark a message as done unless its actor has raised, and let go of it."""
        if not (isinstance(message, Delivery) and message.raised):
            self._settle(message, "done")
        self._let_go(message)

    def nack(self, message: MessageProxy) -> None:
        """Mark a message as one that is not tried again, and let go of it."""
        self._settle(message, "rejected")
        self._let_go(message)

    @_telling_loss()
    def _settle(self, message: MessageProxy, state: str) -> None:
        # One that Retries has queued again is not in work any more: it stays as it is.
        with transaction(self.pool) as cursor:
            cursor.execute(_SETTLE, (state, message.message_id, message.queue_name))

    def _let_go(self, message: MessageProxy) -> None:
        self.unlock_q.put_nowait(message)
        self.in_processing.discard(message.message_id)

    @_telling_loss()
    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give back messages that nobody has begun to work on.

        Raises dramatiq's ConnectionError if Postgres is away, also where the process is stopping
        and so gets no new connection: with another error dramatiq would end it as broken.
        """
        try:
            super().requeue(messages)
        except PoolError as error:
            raise dramatiq_errors.ConnectionError(str(error)) from error

    def close(self) -> None:
        """End the sessions, and with them their locks."""
        for conn in (self._consume_conn, self._listen_conn):
            if conn is not None:
                conn.close()
        super().close()


def _next_look() -> float:
    # Spread, so that many processes do not look at the same moment.
    return time.monotonic() + _LOOK_SECONDS * random.uniform(0.75, 1.25)  # noqa: S311
