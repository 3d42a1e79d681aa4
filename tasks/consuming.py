"""How messages are taken from the queue and given back: dramatiq-pg's way, made sure.

* A message whose actor raised is never marked as done. Normally Retries has queued it again by
  then; if that failed, or was interrupted, the message is found by the next look.
* Messages of dead processes, and those that a stopping process gives back, are announced to nobody.
  dramatiq-pg looks for them by a throw of dice, on average after five minutes; here it is seconds.
* A message is locked by a database session. When a consumer closes, so does its session; back in
  the pool, it would keep the lock for as long as the process lives.
"""

import random
import time
from typing import Any, Final

from dramatiq import MessageProxy
from dramatiq_pg.broker import PostgresConsumer

_LOOK_SECONDS: Final = 5.0


class Delivery(MessageProxy):
    """A message in work, which knows whether its actor has raised."""

    raised = False

    def stuff_exception(self, exception: BaseException) -> None:
        """Called by dramatiq with what the actor raised, before any middleware sees it."""
        self.raised = True
        super().stuff_exception(exception)  # type: ignore[no-untyped-call]


class _InProcessing(set[str]):
    def remove(self, message_id: str) -> None:
        """Forgive: after a reconnect, messages of the former consumer are acknowledged here."""
        self.discard(message_id)


class Consumer(PostgresConsumer):  # type: ignore[misc]
    """Takes messages for one process, from a queue or from its delay queue."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(**options)
        self.in_processing = _InProcessing()
        self._next_look = _next_look()

    def __next__(self) -> Delivery | None:
        taken: MessageProxy | None = super().__next__()
        return None if taken is None else Delivery(taken.copy())  # type: ignore[no-untyped-call]

    def poll_for_notify(self) -> None:
        """Wait up to a second for news; now and then look for messages nobody told of."""
        super().poll_for_notify()
        if not self.notifies and time.monotonic() >= self._next_look:
            self.notifies += self.fetch_pending_notifies()
            self._next_look = _next_look()

    def ack(self, message: MessageProxy) -> None:
        """Mark a message as done, or let go of it if it is not."""
        if isinstance(message, Delivery) and message.raised:
            self.unlock_q.put_nowait(message)
            self.in_processing.discard(message.message_id)
        else:
            super().ack(message)

    def close(self) -> None:
        """End the sessions, and with them their locks."""
        for conn in (self._consume_conn, self._listen_conn):
            if conn is not None:
                conn.close()
        super().close()


def _next_look() -> float:
    # Spread, so that many processes do not look at the same moment.
    return time.monotonic() + _LOOK_SECONDS * random.uniform(0.75, 1.25)  # noqa: S311
